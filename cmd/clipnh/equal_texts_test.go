package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestEqualTexts holds that every command that takes classes warns of two that the tokenizer
// makes equal: their probabilities are halves of one.
func TestEqualTexts(t *testing.T) {
	found, err := filepath.Glob(testutil.Golden("images/*"))
	if err != nil || len(found) == 0 {
		t.Fatal("no golden images")
	}
	image := found[0]
	model, vocab := testutil.Golden("model/tiny_jit.pt"), testutil.Golden("text/toy_merges.txt.gz")
	dir := t.TempDir()
	names := writeLines(t, filepath.Join(dir, "names.txt"), "RED", "red", "dog")
	embedded := filepath.Join(dir, "names.npy")
	must(t, exitDone, "embed", "--model", model, "--vocab", vocab, "--lines", names, "--embeddings-save-path", embedded, "--quiet")
	must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", filepath.Dir(image), "--save-path", filepath.Join(dir, "scores"), "--quiet")
	must(t, exitDone, "svd", "--scores", filepath.Join(dir, "scores"), "--out-save-path", filepath.Join(dir, "pc.npy"), "--quiet")
	texts := []string{"--model", model, "--vocab", vocab, "--classes", "RED,red,dog"}
	read := []string{"--model", model, "--imagenet-zeroshot-path", embedded, "--classes", "RED,red,dog"}
	const want = `"RED" and "red" have equal embeddings: the model does not tell them apart`
	for _, args := range [][]string{
		append([]string{"classify", image}, texts...),
		append([]string{"explain", image}, texts...),
		append([]string{"explain", image}, read...),
		append([]string{"segment", "--image", image, "--pcs-path", filepath.Join(dir, "pc.npy"), "--show-dir", filepath.Join(dir, "shown")}, texts...),
		{"search", "--scores", filepath.Join(dir, "scores"), "--text", "RED,red", "--model", model, "--vocab", vocab},
	} {
		if _, _, said := clipnh(args...); !strings.Contains(said, want) {
			t.Errorf("%q said %q", args, said)
		}
	}
	if _, said := must(t, exitDone, "classify", image, "--model", model, "--vocab", vocab, "--classes", "red,dog"); strings.Contains(said, "equal embeddings") {
		t.Errorf("of others, said %q", said)
	}
}
