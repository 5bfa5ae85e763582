package retrieve

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestRetrievePreprocess draws heat maps of what the tower saw: in the order that is
// asked for, or in that of the scores.
func TestRetrievePreprocess(t *testing.T) {
	from := goldenImages()
	from.Data.Path = pipelinetest.Palettes(t)
	heat := func(o Options) string {
		o.Pairs, o.Top, o.Threads, o.SaveDir, o.SheetHeads = []string{"h1n37"}, 3, 1, t.TempDir(), 1
		retrieve(t, o)
		return retrievedFiles(t, o.SaveDir)["37/heat.png"]
	}
	reference := heat(Options{Options: from})
	from.Images.Order = imageprep.ResizeFirst
	want := heat(Options{Options: from})
	if reference == want || want == "" {
		t.Error("the order makes no difference")
	}
	scores := func(order imageprep.Order) string {
		path := filepath.Join(t.TempDir(), "scores")
		collecttest.Collect(t, collect.Options{
			Model: from.Model, Data: from.Data, Stride: 1, BatchSize: 5, Threads: 1, Mode: collect.ModePairs, SavePath: path,
			Images: imageprep.Options{Order: order},
		})
		return path
	}
	asked := from
	asked.Asked.Order = true
	from.ScoresPath, from.Images.Order = scores(imageprep.ResizeFirst), imageprep.ConvertFirst
	if heat(Options{Options: from}) != want {
		t.Error("the images of scores are prepared in another order for drawing")
	}
	asked.ScoresPath = scores(imageprep.ConvertFirst)
	_, err := Run(t.Context(), Options{Options: asked, Pairs: []string{"h1n37"}, Top: 3, Threads: 1, SaveDir: t.TempDir(), SheetHeads: 1}, pipelinetest.Silent())
	if !errors.Is(err, cache.ErrStale) {
		t.Errorf("another order than that of the scores: %v", err)
	}
}
