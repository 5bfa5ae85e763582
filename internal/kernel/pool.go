package kernel

import "github.com/clipnh/clipnh/internal/par"

// AvgPool2 writes the mean of each 2x2 square of src to dst, which has half
// the height and width; both must be even in src. The maps must not overlap.
func AvgPool2(dst, src Map, team par.Team) {
	dst.check()
	src.check()
	if dst.C != src.C || dst.Images != src.Images || 2*dst.H != src.H || 2*dst.W != src.W {
		panic("kernel: pooled map does not fit")
	}
	if dst.Pixels() == 0 {
		return
	}
	f := activeFamily()
	rows := dst.Images * dst.H // rows of all images; each is the mean of two rows of src
	team.For(dst.Blocks()*rows, func(lo, hi, _ int) {
		for i := lo; i < hi; {
			b, r := i/rows, i%rows
			n := min(rows-r, hi-i)
			f.poolRows(dst.Data[(b*dst.Stride+r*dst.W)*Lanes:], src.Data[(b*src.Stride+2*r*src.W)*Lanes:], n, dst.W)
			i += n
		}
	})
}

// poolRows pools n pairs of rows of a block; each result has w pixels.
func (f *family) poolRows(dst, src []float32, n, w int) {
	for i := range n {
		rows := src[i*4*w*Lanes:][:4*w*Lanes]
		f.poolRow(&dst[i*w*Lanes], &rows[0], &rows[2*w*Lanes], w)
	}
}
