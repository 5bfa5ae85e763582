package main

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMisspeltVariables warns once of a variable of the environment that is meant for the
// program and has no effect, and of no other's.
func TestMisspeltVariables(t *testing.T) {
	t.Setenv("CLIPNH_SOMETHING_ELSE", "1")
	info := []string{"info", "--model", testutil.Golden("model/tiny_jit.pt")}
	if _, said := must(t, exitDone, info...); strings.Contains(said, "CLIPNH") {
		t.Errorf("said %q", said)
	}
	t.Setenv("CLIPNH_TREADS", "1")
	want := "warning: CLIPNH_TREADS is set and means nothing: did you mean \"CLIPNH_THREADS\"?\n"
	if _, said := must(t, exitDone, info...); said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	t.Setenv("CLIPNH_HOM", t.TempDir())
	if _, said := must(t, exitDone, info...); strings.Count(said, "did you mean") != 2 || !strings.Contains(said, `"CLIPNH_HOME"`) {
		t.Errorf("said %q, want both", said)
	}
	if _, said := must(t, exitDone, "version"); said != "" {
		t.Errorf("version said %q", said)
	}
}
