package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSegmentPreprocess: counts record the order, do not go on in another, and are not
// added to those of another.
func TestSegmentPreprocess(t *testing.T) {
	assets, dir := filepath.Join("..", "..", "internal", "demo", "assets"), t.TempDir()
	segment := func(status int, save, shard, order string) string {
		t.Helper()
		_, said := must(t, status, "segment", "--model", filepath.Join(assets, demo.Model), "--vocab", filepath.Join(assets, demo.Vocabulary),
			"--templates", filepath.Join(assets, demo.Templates), "--config", "demo", "--data-path", filepath.Join(assets, demo.PascalContext),
			"--method", "values", "--limit", "2", "--resize", "pillow", "--quiet", "--save-path", filepath.Join(dir, save), "--shard", shard, "--preprocess", order)
		return said
	}
	segment(exitDone, "a.json", "1/2", "openai")
	if said := segment(exitStale, "a.json", "1/2", "reference"); !strings.Contains(said, "preprocess openai; this run uses reference") {
		t.Errorf("the same path in another order: said %q", said)
	}
	segment(exitDone, "b.json", "2/2", "reference")
	_, said := must(t, exitStale, "merge", "--save-path", filepath.Join(dir, "all.json"), filepath.Join(dir, "a.1-of-2.json"), filepath.Join(dir, "b.2-of-2.json"))
	if !strings.Contains(said, "preprocess") {
		t.Errorf("shards of two orders: said %q", said)
	}
}

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
		{"--preprocess openai needs --resize pillow", []string{"segment", "--preprocess", "openai", "--model", "m", "--pcs-path", "p", "--vocab", "v", "--image", "i", "--classes", "a,b"}},
		{"--preprocess openai needs --model in place of --scores", []string{"reconstruct", "--means-path", "m", "--pcs-paths", "p", "--scores", in("scores"), "--features-save-path", in("features.npy"), "--preprocess", "openai"}},
	} {
		_, stderr := must(t, exitUsage, test.args...)
		if !strings.Contains(stderr, test.want) {
			t.Errorf("%q: said %q, want %q", test.args, stderr, test.want)
		}
	}
}
