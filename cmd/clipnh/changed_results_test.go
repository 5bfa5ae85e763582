package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readJSONFile decodes a file.
func readJSONFile(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestResultsOfChangedImages changes an image, or its label map, without changing its size,
// after its scores were collected or a result of it was complete: shift and segment name it,
// verify too, and --strict refuses it.
func TestResultsOfChangedImages(t *testing.T) {
	assets, base := filepath.Join("..", "..", "internal", "demo", "assets"), t.TempDir()
	for to, from := range map[string]string{"cars": "stanford_cars", "voc": "VOC2010"} {
		if err := os.CopyFS(filepath.Join(base, to), os.DirFS(filepath.Join(assets, from))); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(base, filepath.FromSlash(name)) }
	model := filepath.Join(assets, "tiny-clip.pt")
	cars := []string{"--dataset", "cars", "--data-path", at("cars")}
	must(t, exitDone, slices.Concat([]string{"collect", "--model", model, "--sample-stride", "4", "--save-path", at("scores"), "--quiet"}, cars)...)
	must(t, exitDone, "svd", "--scores", at("scores"), "--top-k-pca", "12", "--out-save-path", at("pc0.npy"), "--quiet")
	texts := []string{"--model", model, "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--templates", filepath.Join(assets, "templates.txt"), "--pcs-path", at("pc0.npy")}
	concepts := slices.Concat([]string{"shift", "--concepts", "yellow", "--colours-csv", filepath.Join(assets, "refined_train.csv")}, texts, cars)
	segment := slices.Concat([]string{"segment", "--config", "demo", "--data-path", at("voc"), "--save-path", at("counts.json")}, texts)
	for _, test := range []struct {
		name, folder string // of the image
		args         []string
		verify       []string // what is complete, and where its images are
	}{
		{"scores", "cars/cars_train", append(slices.Clone(concepts), "--scores", at("scores")), nil},
		{"a shard", "cars/cars_train", append(slices.Clone(concepts), "--sample-stride", "4", "--shard", "1/1", "--save-path", at("ratios.json")),
			[]string{at("ratios.1-of-1.json"), "--data-path", at("cars")}},
		{"scenes", "voc/JPEGImages", segment, []string{at("counts.json"), "--data-path", at("voc")}},
		{"label maps", "voc/SegmentationClassContext", segment, []string{at("counts.json"), "--data-path", at("voc")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			const warning = "1 image changed since it was made; its numbers are those of the earlier files: "
			path := firstImage(t, at(test.folder))
			name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			was, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			args := append(slices.Clone(test.args), "--json")
			for range 2 { // made, and read again where it is kept
				if _, said := must(t, exitDone, args...); strings.Contains(said, "changed since") {
					t.Fatalf("images as they were: %s", said)
				}
			}
			if test.verify != nil {
				must(t, exitDone, append([]string{"verify", "--quiet"}, test.verify...)...)
			}
			now := bytes.Clone(was)
			now[len(now)-10] ^= 1
			if err := os.WriteFile(path, now, 0o666); err != nil {
				t.Fatal(err)
			}
			defer os.WriteFile(path, was, 0o666)
			stdout, said := must(t, exitDone, args...)
			if strings.Count(said, warning) != 1 || !strings.Contains(said, name) {
				t.Errorf("said %q, want %q and %s", said, warning, name)
			}
			var result struct{ Changed []string }
			if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Changed) != 1 || !strings.Contains(result.Changed[0], name) {
				t.Errorf("changed %q (%v), want %s", result.Changed, err, name)
			}
			if _, said := must(t, exitStale, append(slices.Clone(args), "--strict")...); !strings.Contains(said, "its bytes have changed since") || !strings.Contains(said, name) {
				t.Errorf("strict: %s", said)
			}
			if test.verify != nil {
				if stdout, said := must(t, exitStale, append([]string{"verify", "--quiet"}, test.verify...)...); !strings.Contains(stdout+said, name) {
					t.Errorf("verify: %s%s", stdout, said)
				}
			}
		})
	}
}

// firstImage is the first image of a folder, which every stride takes.
func firstImage(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%s: %d entries (%v)", dir, len(entries), err)
	}
	return filepath.Join(dir, entries[0].Name())
}
