//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/testutil"
)

// hostileSwaps are what is put in the place of an input.
var hostileSwaps = map[string]func(path string) error{
	"a pipe":           func(path string) error { return unix.Mkfifo(path, 0o666) },
	"a device":         func(path string) error { return os.Symlink("/dev/zero", path) },
	"a link to itself": func(path string) error { return os.Symlink(filepath.Base(path), path) },
	"200 GB of nothing": func(path string) error {
		return errors.Join(os.WriteFile(path, nil, 0o666), os.Truncate(path, 200<<30))
	},
	"a bomb": func(path string) error {
		content, err := bombFor(path)
		return errors.Join(err, os.WriteFile(path, content, 0o666))
	},
}

// TestHostileInputs puts a pipe, a device, a link that leads nowhere, an immense file and
// a bomb in the place of every input of every command, and of every manifest and journal: each
// is refused with one line of error, soon, and without a trace.
func TestHostileInputs(t *testing.T) {
	const hostileShare = 10 // one input in ten in the short form
	in, r := hostileWorld(t)
	inputs, tried := 0, 0
	for _, line := range hostileLines {
		words := strings.Fields(line)
		for i := range words {
			words[i] = r.Replace(words[i])
		}
		for i, word := range words {
			info, err := os.Stat(word)
			if i == 0 || err != nil || word == "verify" {
				continue
			}
			// The input itself, or what is beside or in it and read first.
			for _, part := range partsOf(t, word, info) {
				if inputs++; os.Getenv(faultsEnv) == "" && inputs%hostileShare != 0 {
					continue
				}
				for what, swap := range hostileSwaps {
					tried++
					name := fmt.Sprintf("%s: %s for %s", words[0], what, strings.TrimPrefix(part, in.at("")))
					dir := t.TempDir()
					place := filepath.Join(dir, filepath.Base(word))
					swapped := copyBut(t, word, place, part, info.IsDir())
					if err := swap(swapped); err != nil {
						t.Fatal(err)
					}
					ends := refusedSoon
					if swap, err := os.Lstat(swapped); err != nil {
						t.Fatal(err)
					} else if repairable(part) && swap.Mode().IsRegular() {
						ends = func(t *testing.T, name string, args []string) { repairedSoon(t, name, args, place, in.at("scores")) }
					}
					args := append([]string{}, words...)
					args[i] = place
					for k := range args {
						args[k] = strings.ReplaceAll(args[k], "{out}", filepath.Join(dir, "out"))
					}
					ends(t, name, append(args, "--quiet"))
				}
			}
		}
	}
	t.Logf("%d inputs, %d runs", inputs, tried)
}

// TestHostileLines runs every line as it is: what TestHostileInputs sees refused is refused
// for the input that was made hostile.
func TestHostileLines(t *testing.T) {
	_, r := hostileWorld(t)
	for _, line := range hostileLines {
		whole := strings.ReplaceAll(r.Replace(line), "{out}", filepath.Join(t.TempDir(), "out"))
		if code, _, said := clipnh(append(strings.Fields(whole), "--quiet")...); code != exitDone {
			t.Errorf("%s: exit code %d\n%s", line, code, said)
		}
	}
}

// hostileWorld makes the inputs of hostileLines, and returns what puts them in.
func hostileWorld(t *testing.T) (inputs, *strings.Replacer) {
	t.Helper()
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	for _, form := range []string{"photos.tar", "photos.tar.gz", "photos.zip", "photos.parquet"} {
		testutil.Pack(t, data, in.at(form), "")
	}
	assets, err := filepath.Abs(filepath.Join("..", "..", "internal", "demo", "assets"))
	if err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "collect", "--model", in.model, "--data-path", testutil.Golden("dataset"), "--dataset", "images", "--save-path", in.at("parts"), "--shard", "1/1", "--quiet")
	must(t, exitDone, "embed", "--model", in.model, "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--lines", writeLines(t, in.at("dog.txt"), "dog"), "--embeddings-save-path", in.at("dog.npy"), "--quiet")
	must(t, exitDone, "collect", "--model", filepath.Join(assets, demo.Model), "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, demo.ImageNet),
		"--sample-stride", "20", "--save-path", in.at("demo"), "--quiet")
	must(t, exitDone, "svd", "--collect-save-path", in.at("demo"), "--top-k-pca", "3", "--out-save-path", in.at("demo_pc0.npy"), "--quiet")
	must(t, exitDone, "report", "--scores", in.at("scores"), "--pcs-path", in.at("pc0.npy"), "--imagenet-zeroshot-path", in.at("classes.npy"), "--out", in.at("report"), "--quiet")
	must(t, exitDone, "score", "--scores", in.at("scores"), "--pcs-path", in.at("pc0.npy"), "--text-descs-list-path", testutil.Golden("text/words.txt"),
		"--text-descs-embeddings-path", in.at("words.npy"), "--codes", in.at("codes.npz"), "--save-path", in.at("true.npy"), "--quiet")
	makeParts(t, in)
	must(t, exitDone, "textspan", "--scores", in.at("heads"), "--num-of-last-layers", "1", "--texts-per-head", "2", "--text-descs-embeddings-path", in.at("words.npy"),
		"--text-descs-list-path", testutil.Golden("text/words.txt"), "--save-path", in.at("spans.json"), "--quiet")
	must(t, exitDone, "textspan", "--scores", in.at("vit_heads"), "--text-descs-embeddings-path", in.at("vit_texts.npy"),
		"--text-descs-list-path", in.at("vit_texts.txt"), "--save-path", in.at("vit_spans.txt"), "--quiet")
	spoil(t, in.at("scores"), in.at(spoiled))
	norms, err := os.ReadFile(in.at("norms_n.npy")) // of activations they are another program's
	if err == nil {
		err = os.WriteFile(in.at("norms_acts.npy"), norms, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := strings.NewReplacer("{model}", in.model, "{data}", data, "{in}", strings.TrimSuffix(in.at("x"), "/x"), "{words}", testutil.Golden("text/words.txt"),
		"{vocab}", testutil.Golden("text/toy_merges.txt.gz"), "{demo}", filepath.Join(assets, demo.Model), "{assets}", assets,
		"{voc}", filepath.Join(assets, demo.PascalContext), "{demo_vocab}", filepath.Join(assets, demo.Vocabulary), "{templates}", filepath.Join(assets, demo.Templates),
		"{cars}", filepath.Join(assets, demo.Cars), "{colours}", filepath.Join(assets, demo.CarColours), "{image}", testutil.Golden("seg/slide.png"),
		"{labels}", groupedLabels(t, data), "{names}", writeLines(t, in.at("names.txt"), "dog", "cat"), "{units}", writeLines(t, in.at("units.txt"), "h0n1"),
		"{attributes}", attributesFile(t, data))
	return in, r
}

// makeParts collects heads of an attention pool, and heads and MLPs of a vision transformer,
// with texts that may span them.
func makeParts(t *testing.T, in inputs) {
	t.Helper()
	must(t, exitDone, "collect", "--model", in.model, "--dataset", "imagenet_val", "--data-path", in.data, "--save-path", in.at("heads"), "--mode", "heads", "--quiet")
	for _, mode := range []string{"heads", "mlps"} {
		must(t, exitDone, "collect", "--model", testutil.GoldenViT("vit_sd32.pt"), "--vit-heads", "4", "--activation", "gelu", "--dataset", "images",
			"--data-path", testutil.GoldenViT("images"), "--save-path", in.at("vit_"+mode), "--mode", mode, "--quiet")
	}
	texts, err := os.ReadFile(testutil.GoldenViT("texts.npy"))
	if err == nil {
		err = os.WriteFile(in.at("vit_texts.npy"), texts, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprint("text ", i))
	}
	writeLines(t, in.at("vit_texts.txt"), lines...)
	labels := []string{"image,label,group"}
	for i := range 8 {
		labels = append(labels, fmt.Sprintf("%02d.png,text %d,%s", i, i%2, []string{"day", "night"}[i/2%2]))
	}
	writeLines(t, in.at("vit_labels.csv"), labels...)
}

// spoiled is a collection with a damaged payload.
const spoiled = "spoiled"

// spoil copies a collection and damages its scores.
func spoil(t *testing.T, from, to string) {
	t.Helper()
	err := os.CopyFS(to, os.DirFS(from))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, "scores.npy")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

// repairable reports whether a file is one that verify makes again, whatever was in it.
func repairable(part string) bool {
	return filepath.Base(filepath.Dir(part)) == spoiled && filepath.Base(part) != "manifest.json"
}

// repairedSoon runs a command that must make a collection again that is as it was.
func repairedSoon(t *testing.T, name string, args []string, path, want string) {
	t.Helper()
	if code, _, said := clipnh(args...); code != exitDone {
		t.Errorf("%s: exit code %d, said\n%.2000s", name, code, said)
	}
	if !maps.Equal(filesBelow(t, path), filesBelow(t, want)) {
		t.Errorf("%s: repaired, and not as it was", name)
	}
}

// partsOf returns the files of an input that are swapped: itself and its manifest, or of
// a folder its manifest and main payload, or, of a data set, the files beside its images.
func partsOf(t *testing.T, path string, info fs.FileInfo) []string {
	t.Helper()
	if !info.IsDir() {
		if _, err := os.Stat(path + ".json"); err == nil {
			return []string{path, path + ".json"}
		}
		return []string{path}
	}
	var parts []string
	for _, name := range []string{"manifest.json", "scores.npy", "images.txt", "report.json"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			parts = append(parts, filepath.Join(path, name))
		}
	}
	if len(parts) > 0 {
		return parts
	}
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".txt", ".mat", ".csv"}, filepath.Ext(file)) {
			parts = append(parts, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// copyBut links what is at path to place, all but one file of it, and returns where that
// is to be.
func copyBut(t *testing.T, path, place, but string, folder bool) string {
	t.Helper()
	link := func(from, to string) {
		if from == but {
			return
		}
		if filepath.Base(path) == spoiled { // it is written
			content, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, content, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if err := os.Symlink(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if !folder {
		for _, end := range []string{"", ".json"} {
			if _, err := os.Stat(path + end); err == nil && path+end != but {
				if content, err := os.ReadFile(path + end); err != nil {
					t.Fatal(err)
				} else if err := os.WriteFile(place+end, content, 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
		return place + strings.TrimPrefix(but, path)
	}
	inside, err := filepath.Rel(path, but)
	if err != nil {
		t.Fatal(err)
	}
	// Folders on the way to the file are made, all else is linked.
	for dir := "."; ; {
		entries, err := os.ReadDir(filepath.Join(path, dir))
		if err == nil {
			err = os.MkdirAll(filepath.Join(place, dir), 0o777)
		}
		if err != nil {
			t.Fatal(err)
		}
		next, _, deeper := strings.Cut(strings.TrimPrefix(inside, dir+"/"), "/")
		for _, e := range entries {
			if !deeper || e.Name() != next {
				link(filepath.Join(path, dir, e.Name()), filepath.Join(place, dir, e.Name()))
			}
		}
		if !deeper {
			return filepath.Join(place, inside)
		}
		dir = filepath.Join(dir, next)
	}
}

// mostAllocated is what a command that refuses an input may allocate.
const mostAllocated = 1 << 30

// attributesFile is a table of what is true of a labelled data set's images.
func attributesFile(t *testing.T, data string) string {
	t.Helper()
	rows := []string{"image,attribute"}
	for name := range filesBelow(t, filepath.Join(data, "val")) {
		rows = append(rows, filepath.ToSlash(name)+[]string{",bird", ",boat"}[len(rows)%2])
	}
	return writeLines(t, filepath.Join(t.TempDir(), "attributes.csv"), rows...)
}

// refusedSoon runs a command that must fail.
func refusedSoon(t *testing.T, name string, args []string) {
	t.Helper()
	type end struct {
		code int
		said string
	}
	done := make(chan end, 1)
	go func() {
		var e end
		// In all, not at a time: garbage counts too.
		if used := testutil.Allocated(func() { e.code, _, e.said = clipnh(args...) }); used > mostAllocated {
			t.Errorf("%s: allocated %d MB in all", name, used>>20)
		}
		done <- e
	}()
	select {
	case e := <-done:
		// Status 3: what cannot be read was skipped, and named.
		if e.code == exitDone || e.code == exitInternal || strings.Contains(e.said, "goroutine ") || len(e.said) > 4096 || !strings.Contains(e.said, "error: ") {
			t.Errorf("%s: exit code %d, said\n%.2000s", name, e.code, e.said)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not refused within 30 s: clipnh %s", name, strings.Join(args, " "))
	}
}

// TestHostileLeftovers puts the same in the places of what an earlier run may have left
// beside an artefact.
func TestHostileLeftovers(t *testing.T) {
	images := append(goldenModel(), "--dataset", "images", "--quiet")
	for _, test := range []struct{ place, path, more string }{
		{"scores/journal", "scores", ""},
		{"scores/scores.npy.partial", "scores", ""},
		{"scores/manifest.json", "scores", ""},
		{"scores/.lock", "scores", ""},
		{"mean.npy.sum", "mean.npy", "--mean"},
		{"mean.npy.json", "mean.npy", "--mean"},
		{"mean.npy.json.pending", "mean.npy", "--mean"},
		{"mean.npy.sum.run.lock", "mean.npy", "--mean"},
		{"dense.npy.journal", "dense.npy", "--mode neurons"},
	} {
		for what, swap := range hostileSwaps {
			dir := t.TempDir()
			place := filepath.Join(dir, filepath.FromSlash(test.place))
			if err := os.MkdirAll(filepath.Dir(place), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := swap(place); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"collect", "--save-path", filepath.Join(dir, test.path)}, images...)
			refusedSoon(t, test.place+": "+what, append(args, strings.Fields(test.more)...))
		}
	}
}
