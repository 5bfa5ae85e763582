// Package lowrank finds the principal directions of contributions over a set
// of images, as the method's svd step defines them.
//
// A unit is a neuron-head pair or a neuron. It has one contribution, a vector of
// length O, per image. Contributions are centred by their mean over all images. The
// k images of largest centred norm are selected, the lower image index first among
// equals. The unit's principal directions are the right singular vectors of the
// selected rows. The sign of a direction follows from its projections, the inner
// products of the selected rows with it: see State.
//
// No unit needs a decomposition of a k x O matrix. The contributions of a pair are
// r = s·v + b, for which Pairs evaluates a closed form. A neuron's contribution is
// Σ_h s[h]·v[h] + const, and Neurons works with its H scores in the metric V Vᵀ.
// Dense works on explicit contributions. All three make decisions in float64 and
// give the same bytes for any number of workers.
//
// Axis letters: B images, H heads, C neurons, O the joint image-text
// dimension, U units, k = min(top k, B). All arrays are row-major.
//
// Source: arXiv:2509.19943 and its published code (svd_over_dataset.py).
package lowrank

import (
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// Options select a direction.
type Options struct {
	TopK  int // number of images that directions are computed from, at least 1
	Index int // index of the direction, 0 for the strongest
}

// Result holds one direction for each unit of a range.
type Result struct {
	Units, OutDim int
	Kept          int // k, the number of images selected: TopK, or all images if there are fewer

	Direction []float32 // [U,O], unit vectors; zero where State is Null
	Mean      []float32 // [U,O], mean contribution, bias included
	Norms     []float32 // [U,k], norms of the selected centred contributions, ascending
	Images    []int32   // [U,k], the selected images, ascending
	State     []State   // [U]
	ScoreMean []float32 // [U], mean score; from Pairs only
}

// NewResult allocates a Result for a number of units with contributions of length
// outDim, over a number of images, of which topK are selected.
func NewResult(units, outDim, images, topK int) *Result {
	kept := min(images, topK)
	return &Result{
		Units: units, OutDim: outDim, Kept: kept,
		Direction: make([]float32, units*outDim),
		Mean:      make([]float32, units*outDim),
		Norms:     make([]float32, units*kept),
		Images:    make([]int32, units*kept),
		State:     make([]State, units),
		ScoreMean: make([]float32, units),
	}
}

// State says how the sign of a direction was chosen.
//
// The published rule keeps a singular vector if more than half of the top k images
// project positively, and negates it otherwise. (k is the number requested, even if
// there are fewer images.) This decides the sign only if a majority has one sign; on
// a tie the published code returns whatever LAPACK returned. Here a tie is decided by
// the sign of the sum of the projections' cubes, so that the direction points along
// the longer tail. If that sum is zero, the first selected image with a nonzero
// projection projects positively.
type State uint8

const (
	// Decided: more than half of the top k project positively.
	Decided State = iota
	// Open: neither sign has a majority, and the rule for ties was used.
	Open
	// Null: the direction does not exist, because the unit's contributions do not
	// vary, or vary in too few dimensions.
	Null
)

// Count returns the number of units in the given state.
func (r *Result) Count(state State) int {
	n := 0
	for _, s := range r.State {
		if s == state {
			n++
		}
	}
	return n
}

// Set replaces unit u by the only unit of one, a Result of the same images.
func (r *Result) Set(u int, one *Result) {
	copy(r.Direction[u*r.OutDim:(u+1)*r.OutDim], one.Direction)
	copy(r.Mean[u*r.OutDim:(u+1)*r.OutDim], one.Mean)
	copy(r.Norms[u*r.Kept:(u+1)*r.Kept], one.Norms)
	copy(r.Images[u*r.Kept:(u+1)*r.Kept], one.Images)
	r.State[u], r.ScoreMean[u] = one.State[0], one.ScoreMean[0]
}

// UnitError is the error of a unit that could not be computed.
type UnitError struct {
	Unit   int // index in the Result
	Reason string
}

func (e *UnitError) Error() string { return fmt.Sprintf("unit %d: %s", e.Unit, e.Reason) }

const (
	reasonScores     = "a score is NaN or infinite"
	reasonDirections = "a direction has NaN or infinite values"
	reasonRows       = "a contribution has NaN or infinite values"
	reasonEigen      = "the eigenvalue iteration did not converge"
)

// check panics unless r has the right sizes for a number of images.
func (r *Result) check(images, topK int) {
	if images < 1 || topK < 1 || r.Units < 0 || r.OutDim < 1 {
		panic("lowrank: empty input")
	}
	if r.Kept != min(images, topK) {
		panic("lowrank: result for a different number of images")
	}
	if len(r.Direction) != r.Units*r.OutDim || len(r.Mean) != len(r.Direction) ||
		len(r.Norms) != r.Units*r.Kept || len(r.Images) != len(r.Norms) || len(r.State) != r.Units || len(r.ScoreMean) != r.Units {
		panic("lowrank: result of wrong size")
	}
}

// forUnits runs body over 0..n in groups of at most size, several concurrently. Each
// worker has its own body, with its own scratch memory, made by newBody. The error is
// that of the lowest failing unit, whatever the size of the team.
func forUnits(n, size int, team par.Team, newBody func() func(lo, hi int) *UnitError) error {
	groups := (n + size - 1) / size
	errs := make([]*UnitError, team.Size())
	team.For(groups, func(lo, hi, worker int) {
		body := newBody()
		for g := lo; g < hi && errs[worker] == nil; g++ {
			errs[worker] = body(g*size, min((g+1)*size, n))
		}
	})
	var lowest *UnitError
	for _, err := range errs {
		if err != nil && (lowest == nil || err.Unit < lowest.Unit) {
			lowest = err
		}
	}
	if lowest == nil {
		return nil
	}
	return lowest
}

// orient returns the sign of a direction, 1 or -1, from the projections of the
// selected images on it, in the images' order.
func orient(projections []float64, topK int) (sign float64, state State) {
	positive, negative, cubes, first := 0, 0, 0.0, 0.0
	for _, p := range projections {
		switch {
		case p > 0:
			positive++
		case p < 0:
			negative++
		}
		if first == 0 {
			first = p
		}
		cubes += p * p * p
	}
	switch {
	case 2*positive > topK:
		return 1, Decided
	case 2*negative > topK:
		return -1, Decided
	case cubes < 0 || cubes == 0 && first < 0:
		return -1, Open
	}
	return 1, Open
}

// putImages writes the selected images of unit u.
func putImages(r *Result, u int, selected []int) {
	to := r.Images[u*r.Kept : (u+1)*r.Kept]
	for i, b := range selected {
		to[i] = int32(b)
	}
}

// putNorms writes the square roots of the selected squares in ascending order.
func putNorms(dst []float32, squares []float64, selected []int) {
	for i, b := range selected {
		dst[i] = float32(math.Sqrt(squares[b]))
	}
	slices.Sort(dst)
}

// putDirection writes x·sign/|x|; x must not be zero.
func putDirection(dst []float32, x []float64, sign float64) {
	scale := sign / math.Sqrt(sumSquares(x))
	for i, v := range x {
		dst[i] = float32(v * scale)
	}
}

func sumSquares(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum
}

func isFinite(x float64) bool { return x-x == 0 }
