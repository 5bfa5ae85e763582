package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPreprocess: the order is recorded by commands that send images through the
// tower, and refused where it would change nothing.
func TestPreprocess(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model := []string{"--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", pipelinetest.Palettes(t), "--quiet"}
	for path, args := range map[string][]string{
		"scores":   {"collect", "--save-path"},
		"sink.npy": {"registers", "--diff-save-path"},
		"out.npy":  {"ablate", "--mode", "zero_sink", "--features-save-path"},
	} {
		must(t, exitDone, append(append(args, in(path), "--preprocess", "openai"), model...)...)
		a, err := cache.Open(in(path))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Manifest.Origin.Images.Preprocess; got != "openai" {
			t.Errorf("%s: made with preprocess %q", path, got)
		}
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{`--preprocess "pillow": want reference or openai`, append([]string{"collect", "--save-path", in("other"), "--preprocess", "pillow"}, model...)},
		{"segment resizes images as --resize", []string{"segment", "--preprocess", "openai", "--model", "m", "--pcs-path", "p", "--vocab", "v"}},
		{"--preprocess openai needs --model in place of --scores", []string{"reconstruct", "--means-path", "m", "--pcs-paths", "p", "--scores", in("scores"), "--features-save-path", in("features.npy"), "--preprocess", "openai"}},
	} {
		_, stderr := must(t, exitUsage, test.args...)
		if !strings.Contains(stderr, test.want) {
			t.Errorf("%q: said %q, want %q", test.args, stderr, test.want)
		}
	}
}
