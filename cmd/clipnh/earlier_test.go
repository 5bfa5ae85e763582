package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestRetrieveBesideEarlier tells of the folders that another run left beside those of this
// one; a run of the same pairs replaces its own and has none.
func TestRetrieveBesideEarlier(t *testing.T) {
	dir := t.TempDir()
	images, scores, sheets := pipelinetest.Palettes(t), filepath.Join(dir, "scores"), filepath.Join(dir, "sheets")
	must(t, exitDone, "collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--data-path", images, "--dataset", "images", "--save-path", scores, "--quiet")
	retrieve := func(pairs string, more ...string) string {
		_, said := must(t, exitDone, append([]string{"retrieve", "--scores", scores, "--data-path", images, "--dataset", "images", "--top", "2", "--pairs", pairs, "--save-dir", sheets}, more...)...)
		return said
	}
	for range 2 {
		if said := retrieve("h1n3"); strings.Contains(said, "another run") {
			t.Errorf("said %q of its own", said)
		}
	}
	if err := os.Mkdir(filepath.Join(sheets, "2024"), 0o777); err != nil { // a person's
		t.Fatal(err)
	}
	if said, want := retrieve("h1n5"), "sheets: 1 folder of another run beside those of this one, such as "+filepath.Join(sheets, "3"); !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

// TestOutputsApart refuses two outputs that would be one file before any work, and leaves nothing.
func TestOutputsApart(t *testing.T) {
	dir := t.TempDir()
	codes := filepath.Join(dir, "z.npz")
	_, said := must(t, exitUsage, "sparse", "--pcs-path", testutil.Golden("pc0_nh.npy"), "--text-descs-list-path", testutil.Golden("text/words.txt"),
		"--text-descs-embeddings-path", testutil.Golden("text/words.npy"), "--num-components", "2", "--decomposition-save-path", codes, "--descriptions-save-path", codes+".json")
	if want := codes + ".json: the manifest of " + codes + " would be this file"; !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if left := filesBelow(t, dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
