package lowrank

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/clipnh/clipnh/internal/par"
)

const (
	// neuronGroup is the number of neurons gathered at a time: one cache line of
	// scores for every image and head.
	neuronGroup = 16

	// gatherBytes bounds the memory for gathering, per worker.
	gatherBytes = 32 << 20
)

// Neurons computes a direction of each neuron from first on, one per unit of r. A
// neuron's centred contribution is Σ_h (s[h] - mean s[h])·v[h]: a row of H deviations
// d times V [H,O]. With G = V Vᵀ [H,H], its squared norm is d G dᵀ, the Gram matrix of
// the selected rows is D G Dᵀ, and the right singular vector for a left singular
// vector u is (uᵀ D) V, normalised. If more images than heads are selected, an H x H
// problem replaces the k x k Gram matrix; see crossed.
//
// Shapes: directions v [H,U,O] of these neurons; bias [O], the sum of all heads' b.
// It returns a *UnitError if a score or direction is NaN or infinite or the
// eigenvalue problem cannot be solved, and panics if sizes do not match.
func Neurons(r *Result, s Scores, first int, directions, bias []float32, opt Options, team par.Team) error {
	s.check()
	r.check(s.Images, opt.TopK)
	if first < 0 || r.Units > s.Neurons-first || opt.Index < 0 || len(directions) != s.Heads*len(r.Direction) || len(bias) != r.OutDim {
		panic("lowrank: neurons of wrong size")
	}
	size := min(neuronGroup, max(1, gatherBytes/(4*s.Images*s.Heads)))
	return forUnits(r.Units, size, team, func() func(lo, hi int) *UnitError {
		scores := make([]float32, size*s.Images*s.Heads) // [size,H,B]
		n := newNeuron(s.Images, s.Heads, r.OutDim, r.Kept)
		return func(lo, hi int) *UnitError {
			for h := range s.Heads {
				s.gather(scores[h*s.Images:], s.Heads*s.Images, h, first+lo, first+hi)
			}
			for u := lo; u < hi; u++ {
				n.deviate(scores[(u-lo)*s.Heads*s.Images:])
				n.take(directions, r.Units, u)
				if err := n.solve(r, u, bias, opt); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// neuron is scratch memory for one neuron.
type neuron struct {
	images, heads int
	means         []float64      // [H], mean s
	d             blas64.General // [B,H], deviations
	v             blas64.General // [H,O]
	metric        blas64.General // [H,H], V Vᵀ
	dg            blas64.General // [B,H], D G
	squares       []float64      // [B], squared norms
	selector      selector
	dTop, dgTop   blas64.General // [k,H], the selected rows
	product       blas64.General // [k,k]
	gram          *gram
	crossed       *crossed  // replaces product and gram if k > H
	w, x          []float64 // [H], [O]
}

func newNeuron(images, heads, outDim, kept int) *neuron {
	n := &neuron{
		images: images, heads: heads,
		means: make([]float64, heads), d: general(images, heads), v: general(heads, outDim), metric: general(heads, heads),
		dg: general(images, heads), squares: make([]float64, images),
		dTop: general(kept, heads), dgTop: general(kept, heads),
		w: make([]float64, heads), x: make([]float64, outDim),
	}
	if kept > heads {
		n.crossed = newCrossed(kept, heads)
	} else {
		n.product, n.gram = general(kept, kept), newGram(kept)
	}
	return n
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}

// take sets v to the directions of unit u of [H,U,O].
func (n *neuron) take(directions []float32, units, u int) {
	O := n.v.Cols
	for h := range n.heads {
		widen(n.v.Data[h*O:(h+1)*O], directions[(h*units+u)*O:])
	}
}

// widen converts len(dst) elements of src.
func widen(dst []float64, src []float32) {
	for i, x := range src[:len(dst)] {
		dst[i] = float64(x)
	}
}

// deviate computes means and d from scores [H,B].
func (n *neuron) deviate(scores []float32) {
	for h := range n.heads {
		row := scores[h*n.images : (h+1)*n.images]
		sum := 0.0
		for _, s := range row {
			sum += float64(s)
		}
		mean := sum / float64(n.images)
		n.means[h] = mean
		for b, s := range row {
			n.d.Data[b*n.heads+h] = float64(s) - mean
		}
	}
}

// solve computes unit u from means, d and v.
func (n *neuron) solve(r *Result, u int, bias []float32, opt Options) *UnitError {
	if err := n.measure(u); err != nil {
		return err
	}
	n.project()
	selected := n.selector.top(n.squares, r.Kept)
	putImages(r, u, selected)
	putNorms(r.Norms[u*r.Kept:(u+1)*r.Kept], n.squares, selected)
	for i, b := range selected {
		copy(n.dTop.Data[i*n.heads:(i+1)*n.heads], n.d.Data[b*n.heads:])
		copy(n.dgTop.Data[i*n.heads:(i+1)*n.heads], n.dg.Data[b*n.heads:])
	}
	return n.finish(r, u, bias, opt)
}

// measure computes the metric from v.
func (n *neuron) measure(u int) *UnitError {
	for _, m := range n.means {
		if !isFinite(m) {
			return &UnitError{u, reasonScores}
		}
	}
	if !isFinite(sumSquares(n.v.Data)) {
		return &UnitError{u, reasonDirections}
	}
	blas64.Syrk(blas.NoTrans, 1, n.v, 0, blas64.Symmetric{N: n.heads, Stride: n.heads, Data: n.metric.Data, Uplo: blas.Upper})
	for i := range n.heads {
		for j := range i {
			n.metric.Data[i*n.heads+j] = n.metric.Data[j*n.heads+i]
		}
	}
	return nil
}

// project computes dg and squares from d and the metric. What it computes of an image does
// not depend on the others.
func (n *neuron) project() {
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, n.d, n.metric, 0, n.dg)
	for b := range n.d.Rows {
		sum := 0.0
		for i := b * n.heads; i < (b+1)*n.heads; i++ {
			sum += n.dg.Data[i] * n.d.Data[i]
		}
		n.squares[b] = math.Max(sum, 0) // rounding may make a zero norm slightly negative
	}
}

// finish computes unit u from the selected rows, but for its images and norms.
func (n *neuron) finish(r *Result, u int, bias []float32, opt Options) *UnitError {
	direction := r.Direction[u*r.OutDim : (u+1)*r.OutDim]
	left, ok := n.left(opt.Index)
	switch {
	case !ok:
		return &UnitError{u, reasonEigen}
	case left == nil:
		clear(direction)
		r.State[u] = Null
	default:
		blas64.Gemv(blas.Trans, 1, n.v, vector(n.w), 0, vector(n.x))
		var sign float64
		sign, r.State[u] = orient(left, opt.TopK)
		putDirection(direction, n.x, sign)
	}

	blas64.Gemv(blas.Trans, 1, n.v, vector(n.means), 0, vector(n.x))
	mean := r.Mean[u*r.OutDim : (u+1)*r.OutDim]
	for o, x := range n.x {
		mean[o] = float32(x + float64(bias[o]))
	}
	return nil
}

// left returns the selected rows' projections on the direction with the given index,
// up to a positive factor, and sets w to the direction's coordinates in V. It returns
// nil if the direction is null; ok is false if an iteration did not converge.
func (n *neuron) left(index int) (projections []float64, ok bool) {
	if n.crossed != nil {
		return n.crossed.solve(n, index)
	}
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, n.dgTop, n.dTop, 0, n.product)
	n.gram.set(n.product)
	left, ok := n.gram.solve(index)
	if left != nil {
		blas64.Gemv(blas.Trans, 1, n.dTop, vector(left), 0, vector(n.w))
	}
	return left, ok
}

func vector(x []float64) blas64.Vector { return blas64.Vector{N: len(x), Inc: 1, Data: x} }
