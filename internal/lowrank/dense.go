package lowrank

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/clipnh/clipnh/internal/par"
)

// Dense computes a direction of each unit from explicit contributions, rows
// [B,U,O]: a contiguous range of units of each image, as in a dense collection. It
// makes no difference between pairs and neurons; a neuron's contribution is the sum
// over its heads.
//
// It returns a *UnitError if a contribution is NaN or infinite or the eigenvalue
// problem cannot be solved, and panics if sizes do not match.
func Dense(r *Result, rows []float32, images int, opt Options, team par.Team) error {
	r.check(images, opt.TopK)
	if len(rows) != images*r.Units*r.OutDim || opt.Index < 0 {
		panic("lowrank: contributions of wrong size")
	}
	return forUnits(r.Units, 1, team, func() func(lo, hi int) *UnitError {
		d := &dense{
			images: images, units: r.Units, width: r.OutDim,
			mean: make([]float64, r.OutDim), squares: make([]float64, images),
			top: general(r.Kept, r.OutDim), gram: newGram(r.Kept), x: make([]float64, r.OutDim),
		}
		return func(lo, hi int) *UnitError {
			for u := lo; u < hi; u++ {
				if err := d.solve(r, u, rows, opt); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// dense is scratch memory for one unit.
type dense struct {
	images, units, width int

	mean     []float64 // [O]
	squares  []float64 // [B], squared centred norms
	selector selector
	top      blas64.General // [k,O], the selected rows, centred
	gram     *gram
	x        []float64 // [O]
}

// row is the contribution of unit u to image b.
func (d *dense) row(rows []float32, b, u int) []float32 {
	at := (b*d.units + u) * d.width
	return rows[at : at+d.width]
}

func (d *dense) solve(r *Result, u int, rows []float32, opt Options) *UnitError {
	clear(d.mean)
	for b := range d.images {
		for o, x := range d.row(rows, b, u) {
			d.mean[o] += float64(x)
		}
	}
	for o := range d.mean {
		d.mean[o] /= float64(d.images)
	}
	if !isFinite(sumSquares(d.mean)) {
		return &UnitError{u, reasonRows}
	}
	for b := range d.squares {
		d.squares[b] = squaredDistance(d.row(rows, b, u), d.mean)
	}
	selected := d.selector.top(d.squares, r.Kept)
	putImages(r, u, selected)
	putNorms(r.Norms[u*r.Kept:(u+1)*r.Kept], d.squares, selected)
	for i, b := range selected {
		to := d.top.Data[i*d.width : (i+1)*d.width]
		for o, x := range d.row(rows, b, u) {
			to[o] = float64(x) - d.mean[o]
		}
	}
	blas64.Syrk(blas.NoTrans, 1, d.top, 0, d.gram.matrix.RawSymmetric())

	direction := r.Direction[u*r.OutDim : (u+1)*r.OutDim]
	left, ok := d.gram.solve(opt.Index)
	switch {
	case !ok:
		return &UnitError{u, reasonEigen}
	case left == nil:
		clear(direction)
		r.State[u] = Null
	default:
		blas64.Gemv(blas.Trans, 1, d.top, vector(left), 0, vector(d.x))
		var sign float64
		sign, r.State[u] = orient(left, opt.TopK)
		putDirection(direction, d.x, sign)
	}
	for o, m := range d.mean {
		r.Mean[u*r.OutDim+o] = float32(m)
	}
	return nil
}

// squaredDistance returns |row - mean|². Four partial sums let additions overlap.
func squaredDistance(row []float32, mean []float64) float64 {
	var s0, s1, s2, s3 float64
	o := 0
	for ; o+4 <= len(row); o += 4 {
		x, m := row[o:o+4:o+4], mean[o:o+4:o+4]
		d0, d1, d2, d3 := float64(x[0])-m[0], float64(x[1])-m[1], float64(x[2])-m[2], float64(x[3])-m[3]
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	for ; o < len(row); o++ {
		d := float64(row[o]) - mean[o]
		s0 += d * d
	}
	return (s0 + s1) + (s2 + s3)
}
