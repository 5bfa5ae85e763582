package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestWeightsInAnotherFormat goes on with the same weights in another file: what was made
// from one belongs to the other, and rounded weights still do not.
func TestWeightsInAnotherFormat(t *testing.T) {
	dir := t.TempDir()
	scores, pcs := filepath.Join(dir, "scores"), filepath.Join(dir, "pc0.npy")
	collect := func(model string) []string {
		return []string{"collect", "--model", testutil.Golden("model/" + model), "--dataset", "images", "--data-path", testutil.Golden("dataset"), "--save-path", scores}
	}
	must(t, exitDone, collect("tiny_jit.pt")...)
	must(t, exitDone, "svd", "--collect-save-path", scores, "--top-k-pca", "6", "--out-save-path", pcs, "--quiet")
	if _, said := must(t, exitDone, collect("tiny_sd_fp32.pt")...); !strings.Contains(said, "complete") {
		t.Errorf("collected again with another file of the same weights, said\n%s", said)
	}
	text := func(model string) []string {
		return []string{"retrieve", "--text", "a cloud", "--scores", scores, "--pcs-path", pcs, "--model", testutil.Golden("model/" + model),
			"--vocab", testutil.Golden("text/toy_merges.txt"), "--use-templates=false", "--quiet"}
	}
	must(t, exitDone, text("tiny_legacy.pt")...)
	must(t, exitStale, text("tiny_sd_bf16.pt")...)
	must(t, exitStale, collect("tiny_sd_bf16.pt")...)
}
