package kernel

import (
	"unsafe"

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
	run := activeFamily().layerNorm
	if src.C%Lanes != 0 {
		run = layerNormRef // the padding has no channels and stays zero
	}
	team.For(src.Pixels(), func(lo, hi, _ int) {
		t := &normArgs{
			dstBlock: dst.Stride * laneBytes, srcBlock: src.Stride * laneBytes,
			blocks: src.Blocks(), channels: src.C,
			gamma: unsafe.Pointer(&gamma[0]), beta: unsafe.Pointer(&beta[0]),
			share: 1 / float32(src.C), epsilon: eps,
		}
		for p := lo; p < hi; p++ {
			t.dst, t.src = unsafe.Pointer(&dst.Data[p*Lanes]), unsafe.Pointer(&src.Data[p*Lanes])
			run(t)
		}
	})
}

// normArgs are the arguments of a kernel that normalises one pixel:
//
//	mean = sum of src[b,l] * share; b in 0..blocks, l in 0..Lanes
//	scale = 1 / sqrt(sum of (src[b,l] - mean)^2 * share + epsilon)
//	dst[b,l] = (src[b,l] - mean) * scale * gamma[b,l] + beta[b,l]
//
// Offsets are in bytes.
type normArgs struct {
	dst, src           unsafe.Pointer // the pixel in block 0
	dstBlock, srcBlock int            // offset of the next block
	blocks             int
	gamma, beta        unsafe.Pointer // [channels]
	share, epsilon     float32        // share is 1/channels
	channels           int            // plain Go ignores the lanes beyond
}
