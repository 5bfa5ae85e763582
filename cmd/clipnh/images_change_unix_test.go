//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lastImage is the last one of a folder that a stride takes.
func lastImage(t *testing.T, dir string, stride int) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%s: %d entries (%v)", dir, len(entries), err)
	}
	return filepath.Join(dir, entries[(len(entries)-1)/stride*stride].Name())
}

// TestImagesChange removes or overwrites an image, or its label map, while a command
// that keeps what it has done runs, or between two runs: the command stops and names the
// image, and resumes when the image is restored.
func TestImagesChange(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	base := t.TempDir()
	for to, from := range map[string]string{"pictures": "imagenet/test", "cars": "stanford_cars", "voc": "VOC2010"} {
		if err := os.CopyFS(filepath.Join(base, to), os.DirFS(filepath.Join(assets, filepath.FromSlash(from)))); err != nil {
			t.Fatal(err)
		}
	}
	faultInputs.once.Do(makeFaultInputs)
	if faultInputs.err != nil {
		t.Fatal(faultInputs.err)
	}
	pcs := filepath.Join(base, "pc0.npy")
	if code, _, said := clipnh("svd", "--collect-save-path", faultInputs.scores, "--top-k-pca", "12", "--out-save-path", pcs, "--quiet"); code != exitDone {
		t.Fatal(said)
	}
	model := []string{"--model", filepath.Join(assets, "tiny-clip.pt")}
	texts := append(slices.Clone(model), "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--templates", filepath.Join(assets, "templates.txt"), "--pcs-path", pcs)
	collect := slices.Concat([]string{"collect"}, model, []string{"--dataset", "images", "--data-path", filepath.Join(base, "pictures"), "--sample-stride", "4"})
	segment := slices.Concat([]string{"segment"}, texts, []string{"--config", "demo", "--data-path", filepath.Join(base, "voc")})
	shift := slices.Concat([]string{"shift"}, texts, []string{"--concepts", "yellow", "--dataset", "cars", "--data-path", filepath.Join(base, "cars"),
		"--colours-csv", filepath.Join(assets, "refined_train.csv"), "--sample-stride", "4", "--shard", "1/1"})
	for _, job := range []struct {
		name, progress string // a file that says how far a run is
		files          string // the folder whose first and last file change
		stride         int
		args           []string
	}{
		{"scores", "scores/journal", "pictures", 4, collect},
		{"statistics", "statistics/journal", "pictures", 4, append(slices.Clone(collect), "--stats-only", "--top-k", "5")},
		{"summary", "summary.sum", "pictures", 4, append(slices.Clone(collect), "--stats-only", "--no-features", "--top-k", "5")},
		{"mean", "mean.sum", "pictures", 4, append(slices.Clone(collect), "--mean")},
		{"counts.json", "counts.json.sum", "voc/JPEGImages", 1, segment},
		{"labels.json", "labels.json.sum", "voc/SegmentationClassContext", 1, segment},
		{"ratios.json", "ratios.1-of-1.json.sum", "cars/cars_train", 4, shift},
	} {
		files := filepath.Join(base, filepath.FromSlash(job.files))
		last, first := lastImage(t, files, job.stride), lastImage(t, files, 1<<20)
		good := map[string][]byte{}
		for _, path := range []string{first, last} {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			good[path] = content
		}
		same := bytes.Clone(good[first]) // in length
		same[len(same)-10] ^= 1
		run := faultJob{name: "images " + job.name, args: func(dir string) []string {
			return append(slices.Clone(job.args), "--save-path", filepath.Join(dir, job.name))
		}}
		want := run.undisturbed(t)
		missing := "made with other images: " // which are named, unless nothing is kept of each
		if job.name == "summary" || job.name == "mean" {
			missing = "made with other images than this run uses"
		}
		for _, fault := range []struct {
			name, wanted string
			code         int
			do           func() error // while the run is at work
			then         func() error // before the next, which is refused if it changes something; nil
		}{
			{"vanishes", "it could be read when the run began", exitFailed, func() error { return os.Remove(last) }, nil},
			{"is replaced", "changed while the run was under way", exitFailed, func() error { return os.WriteFile(last, good[first], 0o666) }, nil},
			{"is cut short", "changed while the run was under way", exitFailed, func() error { return os.Truncate(last, 100) }, nil},
			{"is still missing", missing, exitStale, func() error { return os.Remove(last) }, func() error { return nil }},
			{"has been changed since", "its bytes have changed", exitStale, func() error { return os.Remove(last) }, func() error {
				return errors.Join(os.WriteFile(last, good[last], 0o666), os.WriteFile(first, same, 0o666))
			}},
		} {
			if job.args[0] != "collect" && strings.HasPrefix(fault.name, "is ") && thorough(1, 2) == 1 {
				continue // the sizes are compared in one place
			}
			t.Run(job.name+" of an image that "+fault.name, func(t *testing.T) {
				for range thorough(1, 2) {
					for attempt := 0; ; attempt++ {
						if attempt == 30 {
							t.Fatal("30 runs were done before the image was changed")
						}
						dir := run.begin(t)
						p := run.start(t, dir, 1)
						begun := p.waitFor(t, filepath.Join(dir, job.progress), 0)
						if err := fault.do(); err != nil {
							t.Fatal(err)
						}
						end := p.wait(t)
						ours := begun && end.code != exitDone
						if ours && fault.then != nil {
							if err := fault.then(); err != nil {
								t.Fatal(err)
							}
							if end = run.start(t, dir, 2).wait(t); end.code == exitDone {
								ours = false // nothing had been collected
							}
						}
						for path, content := range good {
							if err := os.WriteFile(path, content, 0o666); err != nil {
								t.Fatal(err)
							}
						}
						if !ours {
							continue
						}
						if end.code != fault.code || !strings.Contains(end.said, fault.wanted) {
							t.Fatalf("exit code %d, want %d and %q: %s", end.code, fault.code, fault.wanted, end.said)
						}
						if name := strings.TrimSuffix(filepath.Base(last), filepath.Ext(last)); fault.then == nil && !strings.Contains(end.said, name) {
							t.Fatalf("the error does not name %s: %s", name, end.said)
						}
						count("pictures", 1)
						run.resume(t, dir, want, "an image that "+fault.name)
						break
					}
				}
			})
		}
	}
}
