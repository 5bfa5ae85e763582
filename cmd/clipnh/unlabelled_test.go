package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
)

// TestUnlabelledImage evaluates a data set of which one image has no label: the error
// names it.
func TestUnlabelledImage(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	dir := t.TempDir()
	cars := filepath.Join(dir, "cars")
	if err := os.CopyFS(cars, os.DirFS(filepath.Join(assets, "stanford_cars"))); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(cars, "cars_train", "00001.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cars, "cars_train", "00000.jpg"), image, 0o666); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(assets, "tiny-clip.pt")
	of, err := dataset.ClassesOf(t.Context(), dataset.Options{Kind: dataset.Cars, Path: cars})
	if err != nil {
		t.Fatal(err)
	}
	lines, classes := filepath.Join(dir, "names.txt"), filepath.Join(dir, "classes.npy")
	if err := os.WriteFile(lines, []byte(strings.Join(of.Names, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "embed", "--model", model, "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--lines", lines, "--use-templates=false",
		"--embeddings-save-path", classes, "--quiet")
	out, said := must(t, exitFailed, "ablate", "--model", model, "--dataset", "cars", "--data-path", cars, "--mode", "zero_sink", "--sample-stride", "50",
		"--imagenet-zeroshot-path", classes, "--quiet")
	if want := cars + ": image 00000.jpg has no label, and accuracy needs one of every image"; out != "" || !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
