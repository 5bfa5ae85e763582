package kernel

import (
	"math"

	"github.com/clipnh/clipnh/internal/par"
)

// LayerNorm normalises the channels of each pixel:
//
//	dst[p,c] = (src[p,c] - mean[p]) / sqrt(var[p] + eps) * gamma[c] + beta[c]
//
// with the mean and the variance (divided by C) over channels. dst may be src.
// gamma and beta are [C].
func LayerNorm(dst, src Map, gamma, beta []float32, eps float32, team par.Team) {
	dst.check()
	src.check()
	if !dst.sameShape(src) {
		panic("kernel: normalised map does not fit")
	}
	if len(gamma) < src.C || len(beta) < src.C {
		panic("kernel: short normalisation weights")
	}
	team.For(src.Pixels(), func(lo, hi, _ int) {
		for p := lo; p < hi; p++ {
			layerNormRef(dst, src, p, gamma, beta, eps)
		}
	})
}

// layerNormRef normalises pixel p.
func layerNormRef(dst, src Map, p int, gamma, beta []float32, eps float32) {
	mean := channelSum(src, p, 0, func(v, _ float32) float32 { return v }) / float32(src.C)
	variance := channelSum(src, p, mean, func(v, m float32) float32 { return (v - m) * (v - m) }) / float32(src.C)
	scale := float32(1 / math.Sqrt(float64(variance+eps)))
	for b := range src.Blocks() {
		s := (*[Lanes]float32)(src.Data[(b*src.Stride+p)*Lanes:])
		d := (*[Lanes]float32)(dst.Data[(b*dst.Stride+p)*Lanes:])
		n := min(Lanes, src.C-b*Lanes)
		g, h := gamma[b*Lanes:][:n], beta[b*Lanes:][:n]
		for l := range g {
			d[l] = (s[l]-mean)*scale*g[l] + h[l]
		}
		clear(d[n:])
	}
}

// channelSum adds f(value, m) over the channels of pixel p: lane by lane over
// the blocks first, then the lanes.
func channelSum(src Map, p int, m float32, f func(v, m float32) float32) float32 {
	var sum [Lanes]float32
	for b := range src.Blocks() {
		v := (*[Lanes]float32)(src.Data[(b*src.Stride+p)*Lanes:])
		for l := range min(Lanes, src.C-b*Lanes) {
			sum[l] += f(v[l], m)
		}
	}
	total := float32(0)
	for _, v := range sum {
		total += v
	}
	return total
}
