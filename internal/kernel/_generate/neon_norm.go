package main

import "fmt"

// neonNorm emits the normalisation of one pixel on arm64, in three passes over its
// blocks.
func neonNorm(a *neon) {
	a.function("layerNormNEON", "args *normArgs", 8,
		"normalises one pixel:", "",
		"	mean = sum of src[b,l] * share; b in 0..blocks, l in 0..16",
		"	scale = 1 / sqrt(sum of (src[b,l] - mean)^2 * share + epsilon)",
		"	dst[b,l] = (src[b,l] - mean) * scale * gamma[b,l] + beta[b,l]")
	args, src, dst, blocks, step, dstStep, gamma, beta := "R0", "R1", "R2", "R3", "R4", "R5", "R6", "R7"
	a.parameters("args", args)
	x, sums, factors, offsets := vecs(0, quarters), vecs(4, quarters), vecs(8, quarters), vecs(12, quarters)
	mean, scale, share, epsilon, one := vec(16), vec(17), vec(18), vec(19), vec(20)
	a.op("FMOVS", at(args, normShare), share)
	a.op("FMOVS", at(args, normEpsilon), epsilon)
	a.op("MOVD", at(args, normSrcBlock), step)
	pass := func(label string, body func()) {
		a.op("MOVD", at(args, normSrc), src)
		a.op("MOVD", at(args, normBlocks), blocks)
		a.label(label)
		a.loadAll(src, 0, x)
		body()
		a.op("ADD", step, src)
		a.op("SUB", number(1), blocks)
		a.op("CBNZ", blocks, label)
	}
	clear := func() {
		for _, s := range sums {
			a.zero(s)
		}
	}
	// total puts the sum of all lanes, times the share, into the first lane of a register.
	total := func(to vec) {
		a.comment("Sum of the lanes.")
		a.add(sums[0], sums[1], sums[0])
		a.add(sums[2], sums[3], sums[2])
		a.add(sums[0], sums[2], to)
		a.binary("faddp", to, to, to)
		a.binary("faddp", to, to, to)
		a.op("FMULS", share, to, to)
	}
	spread := func(v vec) { a.op("VDUP", fmt.Sprintf("V%d.S[0]", int(v)), v.s4()) }
	clear()
	pass("mean", func() {
		for i, v := range x {
			a.add(sums[i], v, sums[i])
		}
	})
	total(mean)
	spread(mean)
	clear()
	pass("variance", func() {
		for i, v := range x {
			a.sub(v, mean, v)
			a.fma(v, v, sums[i])
		}
	})
	total(scale)
	a.op("FADDS", epsilon, scale, scale)
	a.op("FSQRTS", scale, scale)
	a.op("FMOVS", "$1.0", one)
	a.op("FDIVS", scale, one, scale)
	spread(scale)
	a.op("MOVD", at(args, normDst), dst)
	a.op("MOVD", at(args, normDstBlock), dstStep)
	a.op("MOVD", at(args, normGamma), gamma)
	a.op("MOVD", at(args, normBeta), beta)
	pass("apply", func() {
		a.loadAll(gamma, 0, factors)
		a.loadAll(beta, 0, offsets)
		for i, v := range x {
			a.sub(v, mean, v)
			a.mul(v, scale, v)
			a.fma(v, factors[i], offsets[i])
		}
		a.storeAll(offsets, dst, 0)
		a.op("ADD", dstStep, dst)
		a.op("ADD", number(lanes*4), gamma)
		a.op("ADD", number(lanes*4), beta)
	})
	a.op("RET")
}

// neonPool emits the kernel of AvgPool2 on arm64.
func neonPool(a *neon) {
	a.function("poolRowNEON", "dst, top, bottom *float32, pixels int", 32,
		"pools two rows of a block to pixels results:", "",
		"	dst[x,l] = ((top[2x,l] + top[2x+1,l]) + (bottom[2x,l] + bottom[2x+1,l])) / 4")
	dst, top, bottom, n := "R0", "R1", "R2", "R3"
	a.parameters("dst top bottom pixels", dst, top, bottom, n)
	quarter := vec(16)
	a.op("FMOVS", "$0.25", quarter)
	a.label("pixel")
	rows := [][]vec{vecs(0, quarters), vecs(4, quarters), vecs(8, quarters), vecs(12, quarters)}
	a.loadAll(top, 0, rows[0])
	a.loadAll(top, lanes*4, rows[1])
	a.loadAll(bottom, 0, rows[2])
	a.loadAll(bottom, lanes*4, rows[3])
	for i, v := range rows[0] {
		a.add(v, rows[1][i], v)
		a.add(rows[2][i], rows[3][i], rows[2][i])
		a.add(v, rows[2][i], v)
		a.mulLane(v, lane{quarter, 0}, v)
	}
	a.storeAll(rows[0], dst, 0)
	a.op("ADD", number(2*lanes*4), top)
	a.op("ADD", number(2*lanes*4), bottom)
	a.op("ADD", number(lanes*4), dst)
	a.op("SUB", number(1), n)
	a.op("CBNZ", n, "pixel")
	a.op("RET")
}
