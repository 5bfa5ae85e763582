package lowrank

import (
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// Scores are the scores s[b,h,n] of every pair and image.
type Scores struct {
	Images, Heads, Neurons int       // B, H, C
	Data                   []float32 // [B,H,C]
}

func (s Scores) check() {
	if len(s.Data) != s.Images*s.Heads*s.Neurons {
		panic("lowrank: scores of wrong size")
	}
}

// gather copies the scores of one head and the neurons lo to hi. The scores of one
// neuron are contiguous in dst, and those of the next neuron start distance elements
// later.
func (s Scores) gather(dst []float32, distance, head, lo, hi int) {
	for b := range s.Images {
		row := s.Data[(b*s.Heads+head)*s.Neurons:]
		for i, v := range row[lo:hi] {
			dst[i*distance+b] = v
		}
	}
}

// pairGroup is the number of pairs gathered at a time: four cache lines of each
// image, so that one page lookup (TLB miss) serves 64 pairs.
const pairGroup = 64

// Pairs computes the strongest direction of the pairs of one head, one unit
// per neuron. Their centred contributions (s - mean s)·v have rank one, so
//
//	direction = ±v/|v|
//	mean      = (mean s)·v + b
//	norms     = |s - mean s|·|v|
//
// and further directions are null. If the scores do not vary, or v is zero, there is
// no direction: it is zero and its state Null.
//
// Shapes: directions v [C,O] and bias b [O], of this head. r has C units. It returns
// a *UnitError if a score or direction is NaN or infinite, and panics if sizes do not
// match.
func Pairs(r *Result, s Scores, head int, directions, bias []float32, topK int, team par.Team) error {
	s.check()
	r.check(s.Images, topK)
	if r.Units != s.Neurons || head < 0 || head >= s.Heads || len(directions) != len(r.Direction) || len(bias) != r.OutDim {
		panic("lowrank: pairs of wrong size")
	}
	return forUnits(r.Units, pairGroup, team, func() func(lo, hi int) *UnitError {
		scores := make([]float32, pairGroup*s.Images)
		var p pair
		return func(lo, hi int) *UnitError {
			s.gather(scores, s.Images, head, lo, hi)
			for u := lo; u < hi; u++ {
				v := directions[u*r.OutDim : (u+1)*r.OutDim]
				if err := p.solve(r, u, scores[(u-lo)*s.Images:(u-lo+1)*s.Images], v, bias, topK); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// pair is scratch memory for one pair.
type pair struct {
	deviations, sizes []float64 // s - mean s and its absolute value, for every image
	projections       []float64
	selector          selector
}

func (p *pair) solve(r *Result, u int, scores, v, bias []float32, topK int) *UnitError {
	return p.finish(r, u, scores, sumOf(scores)/float64(len(scores)), v, bias, topK)
}

// finish computes unit u from the mean of all its scores, and from scores that
// include those of the selected images.
func (p *pair) finish(r *Result, u int, scores []float32, mean float64, v, bias []float32, topK int) *UnitError {
	if !isFinite(mean) {
		return &UnitError{u, reasonScores}
	}
	square := 0.0
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	if !isFinite(square) {
		return &UnitError{u, reasonDirections}
	}
	length := math.Sqrt(square)
	p.deviations, p.sizes = p.deviations[:0], p.sizes[:0]
	for _, s := range scores {
		d := float64(s) - mean
		p.deviations, p.sizes = append(p.deviations, d), append(p.sizes, math.Abs(d))
	}
	selected := p.selector.top(p.sizes, r.Kept)
	putImages(r, u, selected)
	p.projections = p.projections[:0]
	for _, b := range selected {
		p.projections = append(p.projections, p.deviations[b])
	}

	norms := r.Norms[u*r.Kept : (u+1)*r.Kept]
	for i, d := range p.projections {
		norms[i] = float32(math.Abs(d) * length)
	}
	slices.Sort(norms)
	sign, state := orient(p.projections, topK)
	scale := sign / length
	if length == 0 || sumSquares(p.deviations) == 0 {
		scale, state = 0, Null
	}
	direction, means := r.Direction[u*r.OutDim:(u+1)*r.OutDim], r.Mean[u*r.OutDim:(u+1)*r.OutDim]
	for o, x := range v {
		direction[o] = float32(float64(x) * scale)
		means[o] = float32(mean*float64(x) + float64(bias[o]))
	}
	r.State[u] = state
	r.ScoreMean[u] = float32(mean)
	return nil
}
