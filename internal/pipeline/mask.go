package pipeline

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
)

// MaskOptions says which units to keep.
type MaskOptions struct {
	Norms      string // .npy [H,C,K] or [C,K], the strongest norms of every unit
	Mode       string // what the norms are of: AblatePairs, AblateNeurons or AblateActivations
	TopImages  int    // take the mean of this many of them, the largest
	Percentile float64
	SavePath   string
}

// MaskResult is what Mask wrote.
type MaskResult struct {
	Path       string  `json:"path"`
	Mode       string  `json:"mode"`
	Percentile float64 `json:"percentile"`
	TopImages  int     `json:"top_images"` // that there were
	Threshold  float64 `json:"threshold"`  // smallest strength that is kept
	Kept       int     `json:"kept"`
	Units      int     `json:"units"`
	KeptShare  float64 `json:"kept_share"` // 0 to 1
}

// Mask writes which units are among the strongest, [H,C] or [C] bool: those
// whose mean of the largest norms is at or above a percentile of all units'.
func Mask(ctx context.Context, o MaskOptions) (*MaskResult, error) {
	if err := makeFolders(o.SavePath); err != nil {
		return nil, err
	}
	s, err := readStrengths(o.Norms, o.Mode, o.TopImages, "")
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	kept, threshold := s.keep(o.Percentile)
	axes := []string{"H", "C"}[2-len(s.shape):]
	origin := cache.Origin{
		Model: s.origin.Model, Weights: s.origin.Weights, Mode: o.Mode,
		Parameters: map[string]any{"percentile": o.Percentile, "top_images": s.top},
	}
	if s.hash != "" {
		origin.Parents = map[string]string{"norms": s.hash}
	}
	m := cache.Manifest{Kind: kindMask, Axes: axes, Shape: s.shape, DType: npy.Bool.String(), Origin: origin}
	if _, err := cache.Save(o.SavePath, m, func(w io.Writer) error { return npy.Write(w, s.shape, kept) }); err != nil {
		return nil, err
	}
	n := countTrue(kept)
	return &MaskResult{
		Path: o.SavePath, Mode: o.Mode, Percentile: o.Percentile, TopImages: s.top, Threshold: threshold,
		Kept: n, Units: len(kept), KeptShare: float64(n) / float64(len(kept)),
	}, nil
}

// strengths are how much units matter: the mean of each one's largest norms.
type strengths struct {
	shape  []int // [H,C] or [C]
	values []float64
	top    int // norms that the mean is over

	hash   string // of the artefact; empty for a file without manifest
	origin cache.Origin
}

// readStrengths reads norms and averages the topImages largest of each unit.
// Where norms have a manifest, and weights is not empty, they must be of that
// model.
func readStrengths(path, mode string, topImages int, weights string) (*strengths, error) {
	made := cache.Origin{Weights: weights}
	switch mode { // as svd calls it
	case AblatePairs:
		made.Mode = "nh"
	case AblateNeurons:
		made.Mode = "n"
	}
	t, err := openTensor(path, "svd --norm-save-path", cache.Manifest{Kind: kindNorms, Origin: made})
	if err != nil {
		return nil, err
	}
	defer t.close()
	want, rank := "[C,K]", 2
	if mode == AblatePairs {
		want, rank = "[H,C,K]", 3
	}
	if len(t.shape) != rank || product(t.shape) == 0 {
		return nil, t.wrongShape(want + " for mode " + mode)
	}
	s := &strengths{shape: t.shape[:rank-1], hash: t.hash}
	if t.hash != "" {
		a, err := cache.Open(path)
		if err != nil {
			return nil, err
		}
		s.origin = a.Manifest.Origin
	}
	K := t.shape[rank-1]
	s.top = min(topImages, K)
	sorted := make([]float64, K)
	err = t.readRows(func(first int, rows []float32) error {
		for ; len(rows) > 0; rows = rows[K:] {
			for k, x := range rows[:K] {
				if sorted[k] = float64(x); sorted[k]-sorted[k] != 0 || x < 0 {
					return fmt.Errorf("%s: norm of unit %d is %g, want a finite one of 0 or more", path, len(s.values), x)
				}
			}
			slices.Sort(sorted)
			sum := 0.0
			for _, x := range sorted[K-s.top:] {
				sum += x
			}
			s.values = append(s.values, sum/float64(s.top))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// keep returns which units are at or above a percentile, and the strength
// there.
func (s *strengths) keep(percent float64) (kept []bool, threshold float64) {
	threshold = percentile(s.values, percent)
	kept = make([]bool, len(s.values))
	for i, x := range s.values {
		kept[i] = x >= threshold
	}
	return kept, threshold
}

// percentile is NumPy's with linear interpolation: the value at place
// percent/100·(n-1) of the sorted values, between its neighbours in proportion.
// As in NumPy, the nearer neighbour is where interpolation starts from.
func percentile(values []float64, percent float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	place := percent / 100 * float64(len(sorted)-1)
	lo := min(int(math.Floor(place)), len(sorted)-1)
	a, b, t := sorted[lo], sorted[min(lo+1, len(sorted)-1)], place-float64(lo)
	if t >= 0.5 {
		return b - (b-a)*(1-t)
	}
	return a + (b-a)*t
}

func countTrue(bools []bool) int {
	n := 0
	for _, b := range bools {
		if b {
			n++
		}
	}
	return n
}
