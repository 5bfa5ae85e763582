package evaluate

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPublishedMeansAndNorms refuses means and norms of effects in the published form, which are
// scaled by each image's feature, beside scores.
func TestPublishedMeansAndNorms(t *testing.T) {
	layer, dir := 2, t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	published := collecttest.GoldenViT(t, collect.ModeNeurons, "published")
	published.NeuronLayer, published.Published = &layer, true
	collecttest.Collect(t, published)
	for path, end := range map[string]string{o.SavePath: "own", published.SavePath: "published"} {
		_, err := directions.SVD(t.Context(), directions.SVDOptions{
			CollectPath: path, Neurons: true, TopK: 3, Threads: 1, OutPath: in("pc-" + end + ".npy"), MeanPath: in("means-" + end + ".npy"), NormPath: in("norms-" + end + ".npy"),
		}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
	}
	scores := source.Options{ScoresPath: o.SavePath, Data: o.Data}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, cache.ErrStale) || testutil.Line(err, "form published") != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, test := range []struct{ means, norms string }{{"published", "own"}, {"own", "published"}} {
		a := AblateOptions{
			Options: scores, Modes: []string{AblateEffects}, Norms: map[string]string{AblateNeurons: in("norms-" + test.norms + ".npy")},
			Means: []string{in("means-" + test.means + ".npy")}, TopImages: 3, FeaturesPath: in("features.npy"), Threads: 1,
		}
		_, err := Ablate(t.Context(), a, pipelinetest.Silent())
		refused("means "+test.means+", norms "+test.norms, err)
	}
	r := ReconstructOptions{Options: scores, Means: in("means-published.npy"), PCs: []string{in("pc-published.npy")}, FeaturesPath: in("rebuilt.npy"), Threads: 1}
	_, err := Reconstruct(t.Context(), r, pipelinetest.Silent())
	refused("a reconstruction", err)
}
