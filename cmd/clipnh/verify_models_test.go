package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestVerifyOfTwoModels keeps what two models made of the same images and texts in one folder.
// What is left of one, whose parents are gone, is not taken for stale beside those of the other.
func TestVerifyOfTwoModels(t *testing.T) {
	dir := t.TempDir()
	images := pipelinetest.Palettes(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	first, second := testutil.Golden("model/tiny_jit.pt"), filepath.Join(t.TempDir(), "second.pt")
	must(t, exitDone, "edit", "--model", first, "--remove", "h1n3", "--by", "zero", "--save-path", second)
	words := writeLines(t, filepath.Join(t.TempDir(), "words.txt"), "dog", "cat", "red", "a car")
	for name, model := range map[string]string{"1": first, "2": second} {
		must(t, exitDone, "collect", "--model", model, "--data-path", images, "--dataset", "images", "--save-path", in("scores"+name), "--quiet")
		must(t, exitDone, "svd", "--scores", in("scores"+name), "--out-save-path", in("pc"+name+".npy"), "--quiet")
		must(t, exitDone, "embed", "--model", model, "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--lines", words,
			"--embeddings-save-path", in("words"+name+".npy"), "--quiet")
		must(t, exitDone, "sparse", "--pcs-path", in("pc"+name+".npy"), "--text-descs-list-path", words,
			"--text-descs-embeddings-path", in("words"+name+".npy"), "--num-components", "2", "--decomposition-save-path", in("codes"+name+".npz"), "--quiet")
	}
	must(t, exitDone, "verify", dir)
	for _, gone := range []string{"pc1.npy", "words1.npy", "scores1"} {
		for _, path := range []string{in(gone), in(gone) + ".json"} {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
		_, out, said := clipnh("verify", dir)
		if strings.Contains(out, "stale") || !strings.Contains(said, "made from another model than "+in(strings.Replace(gone, "1", "2", 1))+": not checked") {
			t.Errorf("without %s, verify says\n%s%s", gone, out, said)
		}
	}
	// Components of another program's scores are of a model that they do not name.
	must(t, exitDone, "collect", "--model", first, "--data-path", images, "--dataset", "images", "--save-path", in("dense.npy"), "--quiet")
	if err := os.Remove(in("dense.npy.json")); err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "svd", "--scores", in("dense.npy"), "--out-save-path", in("foreign.npy"), "--quiet")
	if _, out, said := clipnh("verify", in("codes1.npz"), in("foreign.npy")); strings.Contains(out, "stale") || !strings.Contains(said, "made from perhaps another model than "+in("foreign.npy")+": not checked") {
		t.Errorf("beside components of a model unknown, verify says\n%s%s", out, said)
	}
	// Those of its own model are compared: components that were made again.
	must(t, exitDone, "svd", "--scores", in("scores2"), "--out-save-path", in("pc2.npy"), "--top-k-pca", "2", "--quiet", "--restart")
	if _, out, said := clipnh("verify", dir); !strings.Contains(said, in("codes2.npz")+": made from other components than "+in("pc2.npy")) || strings.Contains(said, "codes1.npz: made from other") {
		t.Errorf("verify says\n%s%s", out, said)
	}
}
