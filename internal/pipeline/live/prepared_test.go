package live

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestDropPrepared sends an image of a collection whose images are not there. It is prepared as
// they were: its scores are the collection's.
func TestDropPrepared(t *testing.T) {
	w := theWorld(t)
	data := dataset.Options{Kind: dataset.Images, Path: pipelinetest.Palettes(t)}
	o := w.options()
	o.Data, o.ScoresPath, o.PCsPath, o.ClassesPath = dataset.Options{}, filepath.Join(t.TempDir(), "scores"), "", ""
	collecttest.Collect(t, collect.Options{
		Model: asset(demo.Model), Data: data, Stride: 1, BatchSize: 2, Threads: 2, Mode: collect.ModePairs, SavePath: o.ScoresPath,
		Images: imageprep.Options{Order: imageprep.ResizeFirst},
	})
	l := opened(t, o)
	content, err := os.ReadFile(filepath.Join(data.Path, "1.png"))
	if err != nil {
		t.Fatal(err)
	}
	dropped, err := l.Drop(t.Context(), "dropped.png", content, "", Question{Classes: []string{"car", "boat"}, List: 5})
	if err != nil {
		t.Fatal(err)
	}
	pairs := slices.Concat(dropped.Explanation.Pairs.For, dropped.Explanation.Pairs.Against)
	if len(pairs) == 0 {
		t.Fatal("no pairs are listed")
	}
	for _, p := range pairs {
		scores, err := l.Scores(t.Context(), p.Unit)
		if err != nil {
			t.Fatal(err)
		}
		if want := float64(scores.Scores[1]); *p.Score != want {
			t.Errorf("%s: score %v, of the collection %v", p.Unit, *p.Score, want)
		}
	}
}
