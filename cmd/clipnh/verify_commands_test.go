package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVerifyCommandWorks runs the command that verify prints for components that are stale:
// their scores were collected again. It replaces them.
func TestVerifyCommandWorks(t *testing.T) {
	dir := t.TempDir()
	scores, pcs := filepath.Join(dir, "scores"), filepath.Join(dir, "pc0.npy")
	collect := func(more ...string) {
		must(t, exitDone, append(append([]string{"collect", "--dataset", "images", "--save-path", scores, "--quiet"}, goldenModel()...), more...)...)
	}
	collect()
	must(t, exitDone, "svd", "--scores", scores, "--out-save-path", pcs, "--quiet")
	collect("--batch-size", "1", "--restart")
	_, said := must(t, exitStale, "verify", dir, "--quiet")
	_, printed, _ := strings.Cut(said, `hint: make it again: "clipnh `)
	printed, _, found := strings.Cut(printed, `"`)
	if !found {
		t.Fatalf("verify printed no command:\n%s", said)
	}
	must(t, exitDone, append(strings.Fields(printed), "--scores", scores, "--quiet")...)
	must(t, exitDone, "verify", dir, "--quiet")
}

// TestVerifyLeftoversAlone removes what a killed run left without a model, and says of a
// damaged collection what its repair needs.
func TestVerifyLeftoversAlone(t *testing.T) {
	dir := t.TempDir()
	scores := filepath.Join(dir, "scores")
	must(t, exitDone, append([]string{"collect", "--dataset", "images", "--save-path", scores, "--quiet"}, goldenModel()...)...)
	left := filepath.Join(dir, "pc0.npy.clipnh-0123456789abcdef.tmp")
	put := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put(left, "half")
	must(t, exitDone, "verify", dir, "--repair", "--quiet")
	if _, err := os.Stat(left); err == nil {
		t.Errorf("%s is there still", left)
	}
	put(filepath.Join(scores, "bias.npy"), "damage")
	_, said := must(t, exitFailed, "verify", dir, "--repair")
	if want := scores + ": not repaired: that needs --model and --data-path"; !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

// TestVerifyUnchecked gives one reason once, for all the collections that it holds for.
func TestVerifyUnchecked(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	for _, name := range []string{"a", "b"} {
		must(t, exitDone, append([]string{"collect", "--dataset", "images", "--save-path", filepath.Join(dir, name), "--quiet"}, goldenModel()...)...)
	}
	table, said := must(t, exitFailed, "verify", dir, "--data-path", empty)
	if strings.Count(table, "not checked") != 2 {
		t.Errorf("printed\n%s", table)
	}
	if strings.Count(said, "the folder is empty") != 1 || !strings.Contains(said, "error: verify: the images of none of 2 artefacts could be checked: ") {
		t.Errorf("said\n%s", said)
	}
}
