package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestRepeatedLines takes units that a file lists twice once, and says so.
func TestRepeatedLines(t *testing.T) {
	file := writeLines(t, filepath.Join(t.TempDir(), "units.txt"), "h1n3", "h1n5", "H1N3")
	args := []string{"edit", "--model", testutil.Golden("model/tiny_jit.pt"), "--remove", "@" + file, "--by", "zero", "--save-path", filepath.Join(t.TempDir(), "edited.pt")}
	out, said := must(t, exitDone, args...)
	if want := file + ": 1 line repeated, such as H1N3: each counts once"; !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if strings.Count(out, "h1n3") != 1 {
		t.Errorf("printed\n%s", out)
	}
}
