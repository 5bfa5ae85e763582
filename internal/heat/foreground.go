package heat

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// Largest returns the largest logit of some queries at every pixel, [Rows,Cols].
func (f *Field) Largest(queries []int, team par.Team) []float32 {
	all := make([]float32, f.Rows*f.Cols)
	f.bands(1, team, func(y, n int, logits []float32) {
		each := n * f.Cols
		dst := all[y*f.Cols:][:each]
		for i, p := range queries {
			for j, x := range logits[p*each : (p+1)*each] {
				if i == 0 || x > dst[j] {
					dst[j] = x
				}
			}
		}
	})
	return all
}

// Foreground counts how well maps of single classes separate the foreground of images. A
// pixel is taken for foreground where a map is above its mean.
type Foreground struct {
	Images       int
	correct, all int64
	both, either [2]int64 // pixels of the background and the foreground: in truth and in labels; in any of both
	precision    float64  // sum over images
}

// Add takes the map [pixels] of an image and its true labels, 0 background and 1 foreground.
func (f *Foreground) Add(values []float32, truth []uint16) {
	mean := 0.0
	for _, v := range values {
		mean += float64(v)
	}
	mean /= float64(len(values))
	for i, v := range values {
		is, said := truth[i], uint16(0)
		if float64(v) > mean {
			said = 1
		}
		if f.either[is]++; is == said {
			f.correct++
			f.both[is]++
		} else {
			f.either[said]++
		}
	}
	f.Images++
	f.all += int64(len(values))
	f.precision += averagePrecision(values, truth)
}

// PixelAccuracy is the share of correct pixels.
func (f *Foreground) PixelAccuracy() float64 { return float64(f.correct) / float64(f.all) }

// MIoU is the mean over background and foreground of intersection over union, of all images.
func (f *Foreground) MIoU() float64 {
	sum := 0.0
	for i := range f.both {
		if f.either[i] > 0 {
			sum += float64(f.both[i]) / float64(f.either[i])
		}
	}
	return sum / float64(len(f.both))
}

// MAP is the mean over images of the average precision.
func (f *Foreground) MAP() float64 { return f.precision / float64(f.Images) }

// averagePrecision is that of finding true pairs of a pixel and a label by a score: of
// foreground v, the map's value scaled to 0 to 1, and of background 1 - v,
//
//	Σ (recall[i] - recall[i-1])·precision[i]     over thresholds, descending
func averagePrecision(values []float32, truth []uint16) float64 {
	low, high := slices.Min(values), slices.Max(values)
	type scored struct {
		score float64
		is    bool
	}
	all := make([]scored, 0, 2*len(values))
	for i, x := range values {
		v := 0.0
		if high > low {
			v = (float64(x) - float64(low)) / (float64(high) - float64(low))
		}
		all = append(all, scored{v, truth[i] == 1}, scored{1 - v, truth[i] == 0})
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	found, sum, before := 0, 0.0, 0
	for i, s := range all {
		if s.is {
			found++
		}
		if i+1 < len(all) && all[i+1].score == s.score {
			continue
		}
		sum += float64(found-before) * float64(found) / float64(i+1)
		before = found
	}
	return sum / math.Max(float64(len(values)), 1) // one of the two is true of every pixel
}
