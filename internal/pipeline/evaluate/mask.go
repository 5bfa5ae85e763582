package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// MaskOptions says which units to keep.
type MaskOptions struct {
	Artefacts  artefact.Reader
	Norms      string // .npy [H,C,K] or [C,K], the strongest norms of every unit
	Mode       string // what the norms are of: AblatePairs, AblateNeurons or AblateActivations
	TopImages  int    // take the mean of this many of them, the largest
	FitTop     bool   // of all, where a unit has fewer
	Percentile float64
	SavePath   string
	Writer     artefact.Writer

	// Units are kept instead of the strongest, or with Except all others; norms then only
	// say how many units there are.
	Units  []string
	Except bool
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
	if err := artefact.MakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	s, err := readStrengths(o.Artefacts, o.Norms, o.Mode, strongest{o.TopImages, o.FitTop}, origin.Origin{})
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	decided := &origin.Mask{Percentile: o.Percentile, TopImages: s.top}
	kept, threshold := s.keep(o.Percentile)
	if len(o.Units) > 0 {
		if kept, err = keptUnits(unit.Layered{Shape: s.shape, Layers: artefact.LayersOf(s.norms)}, o.Units, !o.Except); err != nil {
			return nil, err
		}
		o.Percentile, s.top, threshold = 0, 0, 0
		decided = &origin.Mask{Units: cache.ListHash(o.Units), Except: o.Except}
	}
	from := origin.Origin{}
	if s.norms != nil {
		from = s.norms.Manifest.Origin.Derived("norms", s.norms.Hash())
		of := s.norms.Manifest.Origin
		if parent := of.Parents["contributions"]; parent != "" {
			from.AddParent("contributions", parent, of.Subjects["contributions"]) // to tell whether means are of the same
		}
	}
	from.Mode, from.Mask = o.Mode, decided
	if err := o.Writer.MayReplace(o.SavePath, artefact.KindMask, from); err != nil {
		return nil, err
	}
	if err := o.Writer.SaveMask(o.SavePath, s.shape, kept, from); err != nil {
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
	shape  unit.Shape
	values []float64
	least  []float64       // the smallest norm of each unit
	top    int             // norms that the mean is over
	norms  *cache.Artefact // nil for a file without manifest
}

// strongest says of how many images, the strongest of a unit, norms are averaged; fit takes
// all where there are fewer, which is an error without.
type strongest struct {
	images int
	fit    bool
}

// readStrengths reads norms and averages the largest of each unit.
// Where norms have a manifest, they must belong to what has origin of.
func readStrengths(r artefact.Reader, path, mode string, top strongest, of origin.Origin) (*strengths, error) {
	facts := artefact.Of(of)
	switch mode { // as svd calls it
	case AblatePairs:
		facts = facts.Mode("nh")
	case AblateNeurons:
		facts = facts.Mode("n")
	case AblateActivations: // which svd does not read
		facts = facts.Mode(AblateActivations)
	}
	t, err := r.Tensor(path, facts, artefact.KindNorms)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	want, rank := "[C,K]", 2
	if mode == AblatePairs {
		want, rank = "[H,C,K]", 3
	}
	if err := t.WantRank(rank, want+" for mode "+mode); err != nil {
		return nil, err
	}
	if artefact.Product(t.Shape) == 0 {
		return nil, t.WrongShape(want + " for mode " + mode)
	}
	s := &strengths{shape: unit.Shape(t.Shape[:rank-1]), norms: t.Artefact}
	K := t.Shape[rank-1]
	if top.images > K && !top.fit {
		return nil, usage.Errorf("{top-images} %d: %s has %d norms of each unit, want at most that many", top.images, path, K)
	}
	s.top = min(top.images, K)
	sorted := make([]float64, K)
	err = t.ReadRows(func(first int, rows []float32) error {
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
			s.values, s.least = append(s.values, sum/float64(s.top)), append(s.least, sorted[0])
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
