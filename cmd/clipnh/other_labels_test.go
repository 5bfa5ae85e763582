package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLabelsOfOtherImages holds that labels which are taken of files with the names of a
// collection's images, but with other sizes, are not taken without a word.
func TestLabelsOfOtherImages(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	other := t.TempDir()
	if err := os.CopyFS(other, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	longer := false
	err := filepath.WalkDir(other, func(path string, d fs.DirEntry, err error) error {
		if err != nil || longer || !strings.HasSuffix(path, ".png") {
			return err
		}
		longer = true
		image, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, append(image, 0), 0o600)
	})
	if err != nil || !longer {
		t.Fatalf("no image of %s is made longer: %v", other, err)
	}
	for path, warned := range map[string]bool{data: false, other: true} {
		for _, command := range []string{"ablate", "reconstruct"} {
			line := []string{command, "--scores", in.at("scores"), "--data-path", path, "--dataset", "imagenet_val", "--imagenet-zeroshot-path", in.at("classes.npy")}
			if command == "ablate" {
				line = append(line, "--means-path", in.at("means.npy"), "--neuron-head-norms-path", in.at("norms.npy"), "--percentile", "50")
			} else {
				line = append(line, "--pcs-paths", in.at("pc0.npy"), "--means-path", in.at("means.npy"))
			}
			if _, said := must(t, exitDone, line...); strings.Contains(said, "warning: "+path+": not the images that "+in.at("scores")+" was made of") != warned {
				t.Errorf("%s, warned %v: %s", command, !warned, said)
			}
			strict(t, warned, line...)
		}
		strict(t, warned, "report", "--scores", in.at("scores"), "--data-path", path, "--dataset", "imagenet_val", "--out", filepath.Join(t.TempDir(), "report"))
	}
}

// strict holds that a line ends with exitStale if it is strict, or else is as good as without.
func strict(t *testing.T, stale bool, line ...string) {
	t.Helper()
	status := exitDone
	if stale {
		status = exitStale
	}
	if _, said := must(t, status, append(line, "--strict")...); strings.Contains(said, "their names are the same, their sizes differ") != stale {
		t.Errorf("%s --strict: %s", line[0], said)
	}
}
