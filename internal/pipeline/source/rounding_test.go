package source

import (
	"math"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMeasureRounding measures a tower whose weights were rounded to bfloat16 against
// one of exact weights, as no processor but some can round products. The largest
// difference over the largest value is what is kept.
func TestMeasureRounding(t *testing.T) {
	open := func(name string) *clip.Checkpoint {
		ck, err := clip.OpenWith(testutil.Golden("model/"+name), clip.Details{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ck.Close() })
		return ck
	}
	exact, rounded := open("tiny_sd_fp32.pt"), open("tiny_sd_bf16.pt")
	o := clip.ImageOptions{Batch: 16, Threads: 2}
	tower, err := clip.NewImageTower(rounded, o)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := clip.NewImageTower(exact, o)
	if err != nil {
		t.Fatal(err)
	}
	const images = 10 // two more than are measured
	c := tower.Config()
	pixels := make([]float32, images*3*c.ImageSize*c.ImageSize)
	for i := range pixels {
		pixels[i] = float32(math.Sin(float64(i*i%9973) / 50))
	}
	// The last images differ by far more, and are not looked at.
	for i := roundingImages * 3 * c.ImageSize * c.ImageSize; i < len(pixels); i++ {
		pixels[i] *= 100
	}
	var want [2][2]float64 // of scores and features: the largest difference, and value
	var out [2]clip.Output
	for i, of := range []clip.ImageTower{tower, reference} {
		out[i] = clip.Output{Scores: make([]float32, roundingImages*c.Heads()*c.Neurons()), Features: make([]float32, roundingImages*c.OutDim)}
		if err := of.Run(pixels[:roundingImages*3*c.ImageSize*c.ImageSize], out[i]); err != nil {
			t.Fatal(err)
		}
	}
	for k, pair := range [][2][]float32{{out[0].Scores, out[1].Scores}, {out[0].Features, out[1].Features}} {
		for i := range pair[0] {
			want[k][0] = max(want[k][0], math.Abs(float64(pair[0][i]-pair[1][i])))
			want[k][1] = max(want[k][1], math.Abs(float64(pair[1][i])))
		}
	}
	if MeasureRounding(exact, tower, o, nil) != nil {
		t.Error("float32 is measured")
	}
	o.Precision = kernel.BFloat16
	var got *Rounding
	if err := MeasureRounding(exact, tower, o, func(r *Rounding) { got = r })(pixels); err != nil {
		t.Fatal(err)
	}
	if got.Images != roundingImages || got.Precision != "bf16" || got.Scores == 0 ||
		math.Abs(got.Scores-want[0][0]/want[0][1]) > 1e-6 || math.Abs(got.Features-want[1][0]/want[1][1]) > 1e-6 {
		t.Errorf("got %+v, want %g and %g", got, want[0][0]/want[0][1], want[1][0]/want[1][1])
	}
	if said := got.String(); !strings.HasPrefix(said, "bf16: on the first 8 images, scores differ from float32 by up to ") {
		t.Errorf("said %q", said)
	}
}
