//go:build browser

package site

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemovedPairs: pages say of pairs whose weights are zero that they are, and show no images
// of them.
func TestRemovedPairs(t *testing.T) {
	demo, dir := environment(t, "CLIPNH_DEMO"), t.TempDir()
	model, data, scores, report := filepath.Join(dir, "edited.pt"), filepath.Join(demo, "imagenet", "val"), filepath.Join(dir, "scores"), filepath.Join(dir, "report")
	for _, args := range [][]string{
		{"edit", "--model", filepath.Join(demo, "tiny-clip.pt"), "--remove", "h3n149,n27", "--by", "zero", "--save-path", model},
		{"collect", "--model", model, "--save-path", scores, "--data-path", data, "--dataset", "imagenet_val"},
		{"report", "--scores", scores, "--out", report, "--data-path", data, "--dataset", "imagenet_val"},
	} {
		if out, err := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	b := newBrowser(t, "")
	b.open("file://"+filepath.Join(report, "index.html"), "")
	const says = "The weights of this pair are zero"
	for route, want := range map[string]struct{ said, images int }{
		"p/h3n149": {1, 0}, "p/h3n150": {0, 12}, "n/149": {1, 12}, "n/27": {8, 0},
	} {
		b.visit(route)
		if got := strings.Count(b.text("main"), says); got != want.said {
			t.Errorf("%s: said %d times, want %d", route, got, want.said)
		}
		if got := value[int](b, "document.querySelectorAll('main .thumb').length"); want.images == 0 && strings.HasPrefix(route, "p/") && got > 0 || got < want.images {
			t.Errorf("%s: %d images", route, got)
		}
	}
	b.done()
}
