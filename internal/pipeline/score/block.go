package score

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/rank"
)

// block is some units and their scores on all images. A unit has R directions, one
// for each of its heads: a pair 1, a neuron H.
//
// With f the feature of an image, its part without the unit is g = f - r, where
// r = Σ_h s[h]·v[h] + b. For a vector d,
//
//	g·d  = f·d - Σ_h s[h] (v[h]·d) - b·d
//	|g|² = |f|² - 2 (Σ_h s[h] (f·v[h]) + f·b) + |r|²
//
// so that products of all features with vectors are all it takes.
type block struct {
	in    *inputs
	units []int
	R     int

	directions []float32 // v, [n,R,O]
	bias       []float32 // b, [n,O]
	scores     []float32 // s, [n,R,B]
	targets    []float32 // the projections of r - b on the components, [n,B]
	inverses   []float64 // 1/|g|, [n,B]

	ranks []float64 // of targets, [n,B]
	top   [][]int   // images of largest target, [n]
	fit   []bool    // has a component and scores that vary, [n]
	null  []bool    // has no component, [n]

	products, predictions []float32 // [n,B] and [workers,B]
	rankers               []rank.Ranker
	predicted             []float64 // [workers,B]
}

// blockBytes bounds the memory of a block's arrays, for up to 20,000 images or so;
// with more, one unit takes more.
const blockBytes = 256 << 20

// blockUnits is how many units a block has.
func (in *inputs) blockUnits() int {
	p, B := in.scores.OV, in.scores.Images
	R := 1
	if !in.pcs.Units.IsPairs() {
		R = p.Heads
	}
	each := B*(8*R+4*3+8*2) + 4*p.OutDim*(R+3)
	return max(1, min(blockBytes/each, 2048))
}

// load reads a block of units and prepares it.
func (in *inputs) load(units []int) (*block, error) {
	p, B, O := in.scores.OV, in.scores.Images, in.scores.OV.OutDim
	b := &block{in: in, units: units, R: 1}
	if !in.pcs.Units.IsPairs() {
		b.R = p.Heads
	}
	n, R, workers := len(units), b.R, in.team.Size()
	b.directions, b.bias, b.scores = make([]float32, n*R*O), make([]float32, n*O), make([]float32, n*R*B)
	b.targets, b.inverses, b.ranks = make([]float32, n*B), make([]float64, n*B), make([]float64, n*B)
	b.top, b.fit, b.null, b.products = make([][]int, n), make([]bool, n), make([]bool, n), make([]float32, n*B)
	b.predictions, b.predicted, b.rankers = make([]float32, workers*B), make([]float64, workers*B), make([]rank.Ranker, workers)
	if err := b.readScores(); err != nil {
		return nil, err
	}
	components, err := in.pcs.Read(units)
	if err != nil {
		return nil, err
	}
	along := make([]float32, n*R*B) // f·v
	kernel.Sgemm(1, kernel.Dense(b.directions, n*R, O), kernel.Dense(in.features, B, O).T(), 0, kernel.Dense(along, n*R, B), in.team)
	kernel.Sgemm(1, kernel.Dense(b.bias, n, O), kernel.Dense(in.features, B, O).T(), 0, kernel.Dense(b.products, n, B), in.team) // f·b
	lost := make([]int, n)                                                                                                       // 1 more than the image whose feature is the unit's alone
	in.team.For(n, func(lo, hi, w int) {
		for i := lo; i < hi; i++ {
			lost[i] = b.prepare(i, components[i*O:][:O], along[i*R*B:][:R*B]) + 1
			b.rankers[w].Rank(b.ranks[i*B:][:B], b.targets[i*B:][:B])
			b.top[i] = b.rankers[w].Top(b.targets[i*B:][:B], in.top())
		}
	})
	for i, image := range lost {
		if image > 0 {
			return nil, fmt.Errorf("%s: the feature of image %d without %s has no direction (it is zero)", in.ScoresPath, image-1, in.pcs.Units.Name(units[i]))
		}
	}
	return b, nil
}

// readScores fills scores, directions and biases.
func (b *block) readScores() error {
	p, B, O := b.in.scores.OV, b.in.scores.Images, b.in.scores.OV.OutDim
	C, R := p.Neurons, b.R
	var columns []float32
	for lo := 0; lo < len(b.units); {
		hi := lo + 1 // of a run of units of one head that follow one another
		for hi < len(b.units) && b.units[hi] == b.units[hi-1]+1 && b.units[hi]%C != 0 {
			hi++
		}
		n := hi - lo
		if len(columns) < B*n {
			columns = make([]float32, B*n)
		}
		directions := make([]float32, n*O)
		first := b.units[lo] % C
		for r := range R {
			head := r
			if R == 1 {
				head = b.units[lo] / C
			}
			if err := b.in.scores.ReadPairs(columns[:B*n], head, first, n); err != nil {
				return err
			}
			p.Directions(directions, head, first, first+n, b.in.team)
			for i := range n {
				row := b.scores[((lo+i)*R+r)*B:][:B]
				for image := range row {
					row[image] = columns[image*n+i]
				}
				copy(b.directions[((lo+i)*R+r)*O:], directions[i*O:(i+1)*O])
				for o, x := range p.Bias[head*O:][:O] {
					b.bias[(lo+i)*O+o] += x
				}
			}
		}
		lo = hi
	}
	return nil
}

// prepare computes targets and lengths of unit i from its component and f·v [R,B]. It
// returns the first image that has no feature but the unit's own, or -1.
func (b *block) prepare(i int, component, along []float32) int {
	B, O, R := b.in.scores.Images, len(component), b.R
	v, bias := b.directions[i*R*O:][:R*O], b.bias[i*O:][:O]
	gains, withBias, gram := make([]float64, R), make([]float64, R), make([]float64, R*R)
	for r := range R {
		row := v[r*O:][:O]
		gains[r], withBias[r] = dot(row, component), dot(row, bias)
		for q := range r + 1 {
			gram[r*R+q] = dot(row, v[q*O:][:O])
			gram[q*R+r] = gram[r*R+q]
		}
	}
	b.null[i] = dot(component, component) == 0
	square := dot(bias, bias)
	targets, lengths := b.targets[i*B:][:B], b.inverses[i*B:][:B]
	s := make([]float64, R)
	lost := -1
	for image := range B {
		target, product, own := 0.0, float64(b.products[i*B+image]), square
		for r := range R {
			s[r] = float64(b.scores[(i*R+r)*B+image])
			target += s[r] * gains[r]
			product += s[r] * float64(along[r*B+image])
			own += 2 * s[r] * withBias[r]
		}
		for r, x := range s {
			for q, y := range s {
				own += x * y * gram[r*R+q]
			}
		}
		targets[image] = float32(target)
		left := b.in.squares[image] - 2*product + own
		if left <= 1e-10*b.in.squares[image] { // rounding
			lost, left = image, 1
		}
		lengths[image] = 1 / math.Sqrt(left)
		b.fit[i] = b.fit[i] || targets[image] != targets[0]
	}
	return lost
}

// measure is a correlation and an AUC.
type measure struct{ correlation, auc float64 }

// predict measures how well vectors d, [n,O], one for each unit, predict the units'
// scores.
func (b *block) predict(vectors []float32) []measure {
	B, O, n := b.in.scores.Images, b.in.scores.OV.OutDim, len(b.units)
	kernel.Sgemm(1, kernel.Dense(vectors, n, O), kernel.Dense(b.in.features, B, O).T(), 0, kernel.Dense(b.products, n, B), b.in.team)
	found := make([]measure, n)
	b.in.team.For(n, func(lo, hi, w int) {
		values, ranks := b.predictions[w*B:][:B], b.predicted[w*B:][:B]
		own := make([]float64, b.R)
		for i := lo; i < hi; i++ {
			if !b.fit[i] {
				continue
			}
			d := vectors[i*O:][:O]
			for r := range own {
				own[r] = dot(b.directions[(i*b.R+r)*O:][:O], d)
			}
			constant := dot(b.bias[i*O:][:O], d)
			for image := range values {
				x := float64(b.products[i*B+image]) - constant
				for r, y := range own {
					x -= float64(b.scores[(i*b.R+r)*B+image]) * y
				}
				values[image] = float32(x * b.inverses[i*B+image])
			}
			b.rankers[w].Rank(ranks, values)
			found[i] = measure{rank.Correlation(ranks, b.ranks[i*B:][:B]), rank.AUC(ranks, b.top[i])}
		}
	})
	return found
}
