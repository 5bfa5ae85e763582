package heat

import (
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// A Field is the logits of every query at every pixel of an image, in the form
// of patch logits and weights: pixels are worked out a few rows at a time.
type Field struct {
	Queries, Rows, Cols int

	down, across []float32 // the weights of the sides, [Rows,m] and [Cols,n]
	m, n         int       // locations of all windows along each side
	cells        []float32 // patch logits, [P,m,n]
	wide         []float32 // stretched along rows, [P,m,Cols]
	planes       []float32 // instead of these, all pixels, [P,Rows,Cols]
}

// NewField makes the field of an image of rows x cols pixels; its patch logits
// are zero until they are set.
func NewField(queries int, down, across Axis, rows, cols int) *Field {
	f := &Field{Queries: queries, Rows: rows, Cols: cols, m: len(down.Starts) * down.Cells(), n: len(across.Starts) * across.Cells()}
	f.down, f.across = down.Weights(rows), across.Weights(cols)
	f.cells = make([]float32, queries*f.m*f.n)
	return f
}

// Set takes the patch logits [P,rows·cols] of the window that is number i down
// and j across.
func (f *Field) Set(i, j, rows, cols int, logits []float32) {
	for p := range f.Queries {
		for y := range rows {
			copy(f.cells[(p*f.m+i*rows+y)*f.n+j*cols:][:cols], logits[(p*rows+y)*cols:])
		}
	}
	f.wide = nil
}

// stretch prepares band.
func (f *Field) stretch(team par.Team) {
	if f.wide == nil && f.planes == nil {
		f.wide = make([]float32, f.Queries*f.m*f.Cols)
		kernel.Sgemm(1, kernel.Dense(f.cells, f.Queries*f.m, f.n), kernel.Dense(f.across, f.Cols, f.n).T(),
			0, kernel.Dense(f.wide, f.Queries*f.m, f.Cols), team)
	}
}

// bandRows is how many rows of pixels are worked out at a time: enough for
// efficient products, few enough for a cache.
const bandRows = 16

// bands hands over the logits of all pixels in bands of rows, [P,n,Cols] for n
// rows from row y on, times scale. Workers share the bands.
func (f *Field) bands(scale float32, team par.Team, do func(y, n int, logits []float32)) {
	f.stretch(team)
	team.For((f.Rows+bandRows-1)/bandRows, func(lo, hi, _ int) {
		band := make([]float32, f.Queries*bandRows*f.Cols)
		for b := lo; b < hi; b++ {
			y := b * bandRows
			n := min(bandRows, f.Rows-y)
			each := n * f.Cols
			for p := range f.Queries {
				dst := band[p*each : (p+1)*each]
				if f.planes != nil {
					for i, x := range f.planes[(p*f.Rows+y)*f.Cols:][:each] {
						dst[i] = scale * x
					}
					continue
				}
				kernel.Sgemm(scale, kernel.Dense(f.down[y*f.m:], n, f.m), kernel.Dense(f.wide[p*f.m*f.Cols:], f.m, f.Cols),
					0, kernel.Dense(dst, n, f.Cols), par.Team{})
			}
			do(y, n, band[:f.Queries*each])
		}
	})
}

// Logits returns the logits of all pixels, [P,Rows,Cols].
func (f *Field) Logits(team par.Team) []float32 {
	all := make([]float32, f.Queries*f.Rows*f.Cols)
	f.bands(1, team, func(y, n int, logits []float32) {
		each := n * f.Cols
		for p := range f.Queries {
			copy(all[(p*f.Rows+y)*f.Cols:], logits[p*each:(p+1)*each])
		}
	})
	return all
}
