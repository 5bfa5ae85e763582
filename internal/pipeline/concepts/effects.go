package concepts

import (
	"context"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// effects are the sizes of units' centred contributions: for pairs |s - mean|, to which the
// norm is in proportion, for neurons the norm of the sum over heads.
type effects struct {
	ov    *decomp.OV
	pairs bool
	means []float64 // of scores, [H,C]
}

// newEffects reads the means of a collection's scores.
func newEffects(ctx context.Context, s *artefact.Scores, units unit.Layered, team par.Team) (*effects, error) {
	pairs := s.OV.Heads * s.OV.Neurons
	e := &effects{ov: s.OV, pairs: units.IsPairs(), means: make([]float64, pairs)}
	err := s.EachRows(ctx, team, func(_ int, rows []float32) error {
		team.For(pairs, func(lo, hi, _ int) {
			for at := 0; at < len(rows); at += pairs {
				double.Add(e.means[lo:hi], rows[at+lo:at+hi])
			}
		})
		return nil
	})
	for u := range e.means {
		e.means[u] /= float64(s.Images)
	}
	return e, err
}

// metricBytes bounds the memory of the metrics of neurons, [C,H,H]. Where they take more, the
// collection is read once for each part of the neurons.
const metricBytes = 512 << 20

// rank returns the sizes of units' effects on Q images, of scores [Q,H,C], and on how many
// images of the collection they are larger: both [units,Q].
func (e *effects) rank(ctx context.Context, s *artefact.Scores, images []float32, team par.Team) (larger []int32, sizes []float64, err error) {
	H, C := e.ov.Heads, e.ov.Neurons
	Q := len(images) / (H * C)
	if e.pairs {
		larger, sizes = make([]int32, H*C*Q), make([]float64, H*C*Q)
		return larger, sizes, e.rankPairs(ctx, s, images, larger, sizes, team)
	}
	larger, sizes = make([]int32, C*Q), make([]float64, C*Q)
	part := max(1, min(C, metricBytes/(8*H*H)))
	for first := 0; first < C; first += part {
		last := min(first+part, C)
		if err := e.rankNeurons(ctx, s, images, first, last, larger, sizes, team); err != nil {
			return nil, nil, err
		}
	}
	return larger, sizes, nil
}

func (e *effects) rankPairs(ctx context.Context, s *artefact.Scores, images []float32, larger []int32, sizes []float64, team par.Team) error {
	pairs := len(e.means)
	Q := len(images) / pairs
	size := func(score float32, u int) float64 { return math.Abs(float64(score) - e.means[u]) }
	for q := range Q {
		for u := range pairs {
			sizes[u*Q+q] = size(images[q*pairs+u], u)
		}
	}
	return s.EachRows(ctx, team, func(_ int, rows []float32) error {
		team.For(pairs, func(lo, hi, _ int) {
			for at := 0; at < len(rows); at += pairs {
				for u := lo; u < hi; u++ {
					count(larger[u*Q:(u+1)*Q], sizes[u*Q:(u+1)*Q], size(rows[at+u], u))
				}
			}
		})
		return nil
	})
}

// count adds an effect of the collection to the number of those that are larger than some.
func count(larger []int32, sizes []float64, effect float64) {
	for q, own := range sizes {
		if effect > own {
			larger[q]++
		}
	}
}

// rankNeurons ranks the neurons first to last.
func (e *effects) rankNeurons(ctx context.Context, s *artefact.Scores, images []float32, first, last int, larger []int32, sizes []float64, team par.Team) error {
	H, C := e.ov.Heads, e.ov.Neurons
	Q := len(images) / (H * C)
	norms := make([]*decomp.NeuronNorms, 0, last-first)
	for lo := first; lo < last; lo += directionNeurons {
		norms = append(norms, e.ov.NeuronNormsOf(lo, min(lo+directionNeurons, last), team)...)
	}
	centres := make([]*decomp.Centre, len(norms))
	for i := range centres {
		means := make([]float64, H)
		for h := range means {
			means[h] = e.means[h*C+first+i]
		}
		centres[i] = norms[i].Centre(means)
	}
	// each hands over the effects of the neurons on images of scores [n,H,C].
	each := func(scores []float32, do func(n, image int, effect float64)) {
		count := len(scores) / (H * C)
		team.For(len(norms), func(lo, hi, _ int) {
			var sums, distances [double.Images]float64
			x := make([]float64, H*double.Images)
			for i := lo; i < hi; i++ {
				for from := 0; from < count; from += double.Images {
					some := min(double.Images, count-from)
					for h := range H {
						for b := range some {
							x[h*double.Images+b] = float64(scores[((from+b)*H+h)*C+first+i])
						}
					}
					norms[i].SumsAndDistances(&sums, &distances, x, centres[i])
					for b, effect := range distances[:some] {
						do(first+i, from+b, effect)
					}
				}
			}
		})
	}
	each(images, func(n, q int, effect float64) { sizes[n*Q+q] = effect })
	return s.EachRows(ctx, team, func(_ int, rows []float32) error {
		each(rows, func(n, _ int, effect float64) { count(larger[n*Q:(n+1)*Q], sizes[n*Q:(n+1)*Q], effect) })
		return nil
	})
}

// directionNeurons is how many neurons' directions are in memory at a time.
const directionNeurons = 256
