package source

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A Rounding is how far products of reduced precision moved what a tower says of the
// first images of a run: the largest difference from float32, as a share of the largest
// value.
type Rounding struct {
	Precision string  `json:"precision"`
	Images    int     `json:"images"`
	Scores    float64 `json:"scores"`   // of pairs; 0 where none were computed
	Features  float64 `json:"features"` // of images
}

// String says it in a sentence.
func (r *Rounding) String() string {
	images := "first image"
	if r.Images > 1 {
		images = fmt.Sprintf("first %s", quantity.Of(r.Images, "image"))
	}
	if r.Scores == 0 { // none were computed
		return fmt.Sprintf("%s: on the %s, features differ from float32 by up to %.2g %% of the largest", r.Precision, images, 100*r.Features)
	}
	return fmt.Sprintf("%s: on the %s, scores differ from float32 by up to %.2g %% of the largest, features by up to %.2g %%",
		r.Precision, images, 100*r.Scores, 100*r.Features)
}

// roundingImages is how many images at most are measured: the error is a matter of the
// model much more than of the image.
const roundingImages = 8

// MeasureRounding returns a function for FeedOptions.First that hands over the Rounding
// of a tower of checkpoint ck with options o; nil if its products are float32's. It
// packs the weights a second time for as long as it runs.
func MeasureRounding(ck *clip.Checkpoint, tower clip.ImageTower, o clip.ImageOptions, keep func(*Rounding)) func(pixels []float32) error {
	if o.Precision == kernel.Float32 {
		return nil
	}
	return func(pixels []float32) error {
		pixels = pixels[:min(len(pixels), roundingImages*tower.ImageLen())]
		exact := o
		exact.Precision, exact.Batch = kernel.Float32, min(o.Batch, roundingImages)
		reference, err := clip.NewImageTower(ck, exact)
		if err != nil {
			return err
		}
		r, err := CompareTowers(tower, reference, pixels)
		if err == nil {
			r.Precision = PrecisionOf(o.Precision)
			keep(r)
		}
		return err
	}
}

// CompareTowers runs two towers for images of one size on the same pixels [B,3,h,w], and
// returns how far the first is from the second.
func CompareTowers(reduced, exact clip.ImageTower, pixels []float32) (*Rounding, error) {
	n := len(pixels) / reduced.ImageLen()
	var out [2]clip.Output
	for i, tower := range []clip.ImageTower{reduced, exact} {
		out[i].Features = make([]float32, n*tower.Config().OutDim)
		if scores := tower.ScoresLen(); scores > 0 {
			out[i].Scores = make([]float32, n*scores)
		}
		if err := tower.Run(pixels, out[i]); err != nil {
			return nil, err
		}
	}
	return &Rounding{
		Images: n, Scores: furthest(out[0].Scores, out[1].Scores), Features: furthest(out[0].Features, out[1].Features),
	}, nil
}

// furthest is the largest difference from what is exact, as a share of the largest value.
func furthest(reduced, exact []float32) float64 {
	var difference, largest float64
	for i, x := range exact {
		difference = max(difference, math.Abs(float64(reduced[i])-float64(x)))
		largest = max(largest, math.Abs(float64(x)))
	}
	if difference == 0 {
		return 0
	}
	return difference / largest
}
