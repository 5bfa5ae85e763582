package kernel

import "github.com/clipnh/clipnh/internal/par"

// Tokens writes the tokens that the attention pool reads: for each image the mean over
// its pixels, then its pixels, with the positional embedding added to each.
//
//	x[b,0,c]   = mean over p of src[b,p,c] + pos[0,c]
//	x[b,1+p,c] = src[b,p,c] + pos[1+p,c]
//
// Shapes: dst [B,T,C] row-major with T = H*W+1; pos [T,C].
func Tokens(dst []float32, src Map, pos []float32, team par.Team) {
	src.check()
	pixels := src.H * src.W
	tokens := pixels + 1
	if len(dst) < src.Images*tokens*src.C || len(pos) < tokens*src.C {
		panic("kernel: short tokens")
	}
	if pixels == 0 {
		panic("kernel: tokens of an empty map")
	}
	blocks := src.Blocks()
	team.For(src.Images*blocks, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			img, b := i/blocks, i%blocks
			n := min(Lanes, src.C-b*Lanes)
			var sum [Lanes]float32
			for p := range pixels {
				v := (*[Lanes]float32)(src.Data[(b*src.Stride+img*pixels+p)*Lanes:])
				at := (1+p)*src.C + b*Lanes
				d, e := dst[img*tokens*src.C+at:][:n], pos[at:][:n]
				for l := range sum {
					sum[l] += v[l]
				}
				for l := range d {
					d[l] = v[l] + e[l]
				}
			}
			d, e := dst[img*tokens*src.C+b*Lanes:][:n], pos[b*Lanes:][:n]
			for l := range d {
				d[l] = sum[l]/float32(pixels) + e[l]
			}
		}
	})
}
