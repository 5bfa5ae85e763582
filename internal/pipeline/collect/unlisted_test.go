package collect

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestUnlisted: what the listing left out is skipped in every result, and no part of
// the manifest, whose counts belong to rows.
func TestUnlisted(t *testing.T) {
	o := goldenImages(t, "scores")
	o.Data.Path = pipelinetest.Palettes(t)
	if err := os.WriteFile(filepath.Join(o.Data.Path, "b\n.jpg"), nil, 0o600); err != nil {
		t.Skip(err)
	}
	for _, mean := range []bool{false, true} {
		o.Mean, o.SavePath = mean, filepath.Join(t.TempDir(), "out")
		for _, again := range []bool{false, true} {
			r := run(t, o)
			if r.Images != 3 || len(r.Skipped) != 1 || r.Skipped[0].Name != `"b\n.jpg"` || r.Complete != again {
				t.Errorf("mean %v, again %v: %+v, want one image skipped of four", mean, again, r)
			}
			a, err := cache.Open(o.SavePath)
			if err != nil || len(a.Manifest.Skipped) > 0 {
				t.Errorf("mean %v: %+v in the manifest, %v", mean, a.Manifest.Skipped, err)
			}
		}
	}
}
