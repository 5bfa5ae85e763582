//go:build unix

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestUnwritten has files grow to 2 KiB only, so that figures and pages cannot be written: what
// was measured is printed all the same, and then one error.
func TestUnwritten(t *testing.T) {
	data, dir := labelled(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	model, vocab := testutil.Golden("model/tiny_jit.pt"), testutil.Golden("text/toy_merges.txt.gz")
	must(t, exitDone, "collect", "--model", model, "--data-path", data, "--dataset", "imagenet_val", "--save-path", at("scores"), "--quiet")
	classes := []string{"--classes", "dog,cat", "--vocab", vocab, "--model", model}
	for _, test := range []struct {
		args   []string
		prints string // "" for a command that prints what it wrote
	}{
		{append([]string{"audit", "--scores", at("scores"), "--labels-csv", groupedLabels(t, data), "--permutations", "19", "--level", "0.9", "--out", at("audit")}, classes...), "worst group"},
		{append([]string{"explain", testutil.Golden("images/00_rgb.png"), testutil.Golden("images/03_grey.png"), "--save-dir", at("sheets")}, classes...), "03_grey.png"},
		{[]string{"report", "--scores", at("scores"), "--out", at("report"), "--threads", "4"}, ""},
	} {
		cmd := program(append(test.args, "--quiet")...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, append(cmd.Env, limitEnv+"=2048")
		if err := cmd.Run(); err == nil {
			t.Errorf("%s: done, want what was not written to be an error", test.args[0])
		}
		if !strings.Contains(stdout.String(), test.prints) || test.prints == "" && stdout.Len() > 0 {
			t.Errorf("%s printed\n%s", test.args[0], stdout.String())
		}
		if n := strings.Count(stderr.String(), "file too large"); n != 1 {
			t.Errorf("%s: %d errors, want one\n%s", test.args[0], n, stderr.String())
		}
	}
}
