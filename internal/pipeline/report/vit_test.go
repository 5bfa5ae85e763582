package report

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestReportOfViT holds that the logits of a vision transformer's images are those of its
// features, and that what is constant in them is what the feature has without the pairs.
func TestReportOfViT(t *testing.T) {
	read2 := func(name string) ([]float32, []int) {
		data, shape, err := npy.ReadFloat32(testutil.GoldenViT(name))
		if err != nil {
			t.Fatal(err)
		}
		return data, shape
	}
	layer := 2
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	r := Options{Store: new(cache.Store), Threads: 2, ScoresPath: o.SavePath, ClassesPath: testutil.GoldenViT("texts.npy"), Dir: filepath.Join(t.TempDir(), "report")}
	run(t, r)

	features, shape := read2("gelu/feature.npy")
	own, ownShape := read2("gelu/second_own.npy") // [B,N,O]
	texts, _ := read2("texts.npy")
	O, N := shape[1], ownShape[1]
	images := unpacked(t, read[report.ImageShard](t, r.Dir, report.ImageName(0)))
	if len(images) != shape[0] {
		t.Fatalf("%d records, want %d", len(images), shape[0])
	}
	for b, x := range images {
		f, length, logit, rest := features[b*O:(b+1)*O], 0.0, 0.0, 0.0
		text := texts[x.Classes[0].Class*O:][:O]
		textLength := 0.0
		for i, v := range f {
			length += float64(v) * float64(v)
			textLength += float64(text[i]) * float64(text[i])
			left := float64(v)
			for n := range N {
				left -= float64(own[(b*N+n)*O+i])
			}
			logit += float64(v) * float64(text[i])
			rest += left * float64(text[i])
		}
		factor := 100 / math.Sqrt(length*textLength)
		if math.Abs(x.Logit-factor*logit) > 1e-3 || math.Abs(x.Constant-factor*rest) > 1e-3 {
			t.Errorf("image %d: logit %g of which %g is constant, want %g and %g", b, x.Logit, x.Constant, factor*logit, factor*rest)
		}
	}
}
