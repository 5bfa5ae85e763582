package main

import "fmt"

// neonTileRows is the number of pixels of the largest tile. Its 24 sums, a vector of
// inputs per pixel and two vectors of weights fill the registers.
const neonTileRows = 6

// neonTiles emits the tile kernels of arm64, for panels of one block.
func neonTiles(a *neon) {
	for rows := 1; rows <= neonTileRows; rows++ {
		neonTile(a, rows, false)
	}
}

// neonPairTiles emits the tile kernels of arm64 on pairs of bfloat16 values, and the
// kernel that makes these pairs.
func neonPairTiles(a *neon) {
	for rows := 1; rows <= neonTileRows; rows++ {
		neonTile(a, rows, true)
	}
	a.function("pairsNEON", "dst, low, high *float32, n int", 32,
		"rounds n pixels, n positive, of two blocks of channels to bfloat16,",
		"to the nearest, ties to even, each pixel to one of 16 pairs:", "",
		"	dst[p] = low[p,0..16], high[p,0..16]")
	dst, n := "R0", "R3"
	a.parameters("dst low high n", dst, "R1", "R2", n)
	a.label("pixel")
	values, rounded := vecs(0, 2*quarters), vecs(2*quarters, quarters)
	for i, source := range []string{"R1", "R2"} {
		a.loadAll(source, 0, values[i*quarters:][:quarters])
		a.op("ADD", number(lanes*4), source)
	}
	for i, v := range rounded {
		a.bfloat16(0x0ea16800|uint32(values[2*i])<<5|uint32(v), "bfcvtn v%d.4h, v%d.4s", int(v), int(values[2*i]))
		a.bfloat16(0x4ea16800|uint32(values[2*i+1])<<5|uint32(v), "bfcvtn2 v%d.8h, v%d.4s", int(v), int(values[2*i+1]))
	}
	a.storeAll(rounded, dst, 0)
	a.op("ADD", number(lanes*4), dst)
	a.op("SUB", number(1), n)
	a.op("CBNZ", n, "pixel")
	a.op("RET")
}

// neonTile emits the kernel for a tile of rows pixels by one block of outputs.
//
// It differs from the tiles of x86 in how inputs are read: four of a pixel at once into a
// register, whose lanes the multiplications name.
//
// With pairs, BFMMLA multiplies two pixels and two outputs by four inputs, so that a
// register of sums holds two outputs of two pixels. Rows of the panel are interleaved,
// as package kernel packs them where rows alternate; inputs are interleaved here. If the
// number of pixels is odd, the last is multiplied twice.
func neonTile(a *neon, rows int, pairs bool) {
	const unroll = 4 // rows of the panel per iteration of the inner loop
	all := vecs(0, 32)
	sums, values := all[:rows*quarters], all[rows*quarters:][:rows]
	weights := all[len(sums)+rows:]
	name, kind := fmt.Sprintf("tile%dx1NEON", rows), "kernel"
	if pairs {
		name, kind = fmt.Sprintf("tilePairs%dx1NEON", rows), "kernel on pairs of bfloat16"
		sums = all[:(rows+1)/2*2*quarters]
		values = all[len(sums):][:(rows+1)/2*2]
		weights = all[len(sums)+len(values):]
	}
	weights = weights[:min(len(weights), 8)&^1]
	row := func(r int) []vec { return sums[r*quarters:][:quarters] }

	a.function(name, "args *tileArgs", 8,
		fmt.Sprintf("is the tile %s for %d pixels by 1 block of outputs:", kind, rows), "",
		fmt.Sprintf("	for r in 0..%d, j in 0..%d:", rows, lanes),
		"	    s = bias[j] + residual[r,j], or c[r,j] if there is no bias",
		"	    for i in 0..blocks, k in 0..16:",
		"	        s += sources[i][pixel + r*16 + k] * b[i*16+k, j]",
		"	    c[r,j] = max(s, 0) if relu else s")
	args, source, pixel, blocks, b := "R0", "R1", "R2", "R3", "R4"
	out, cPixel, next, nextEnd := "R5", "R6", "R7", "R8"
	x, turns, tmp, outRow := "R9", "R10", "R11", "R12"
	a.parameters("args", args)
	for _, l := range []struct {
		at int
		to string
	}{{tileSources, source}, {tilePixel, pixel}, {tileBlocks, blocks}, {tileB, b}, {tileC, out}, {tileCPixel, cPixel}, {tileNext, next}, {tileNextEnd, nextEnd}} {
		a.op("MOVD", at(args, l.at), l.to)
	}
	step := func(r int, register string) {
		if r < rows-1 {
			a.op("ADD", cPixel, register)
		}
	}

	a.comment("Start from the bias and the residual, or from the values in c.")
	a.op("MOVD", at(args, tileBias), tmp)
	a.op("CBZ", tmp, "resume")
	a.loadAll(tmp, 0, row(0))
	for r := 1; r < rows; r++ {
		for j, from := range row(0) {
			a.move(from, row(r)[j])
		}
	}
	a.op("MOVD", at(args, tileResidual), outRow)
	a.op("CBZ", outRow, "start")
	for r := range rows {
		residual := all[len(sums):][:quarters]
		a.loadAll(outRow, 0, residual)
		for j, s := range row(r) {
			a.add(residual[j], s, s)
		}
		step(r, outRow)
	}
	a.op("B", "start")
	a.label("resume")
	a.op("MOVD", out, outRow)
	for r := range rows {
		a.loadAll(outRow, 0, row(r))
		step(r, outRow)
	}

	a.label("start")
	// swap exchanges the upper half of each vector of an even row with the lower half of
	// the same vector of the next row.
	swap := func() {
		for r := 0; r < rows; r += 2 {
			for j, upper := range row(r) {
				lower, was := row(r + 1)[j], all[31]
				a.move(upper, was)
				a.interleave(1, "D2", was, lower, upper)
				a.interleave(2, "D2", was, lower, lower)
			}
		}
	}
	if pairs {
		a.comment("Two outputs of two pixels to each register.")
		if rows%2 == 1 {
			for j, v := range row(rows - 1) {
				a.move(v, row(rows)[j])
			}
		}
		swap()
	}
	a.align()
	a.label("block")
	a.comment("Next block of 16 inputs.")
	a.op("MOVD.P", at(source, 8), x)
	a.op("ADD", pixel, x)
	a.op("MOVD", number(lanes/unroll), turns)
	a.align()
	a.label("inputs")
	a.op("CMP", nextEnd, next)
	a.op("BHS", "fetched")
	a.comment("Prefetch the next panel, as much as these inputs read of this one.")
	for p := range unroll {
		a.op("PRFM", at(next, p*64), "PLDL2KEEP")
	}
	a.op("ADD", number(unroll*64), next)
	a.label("fetched")
	if pairs {
		a.comment("Eight inputs of each pixel: four of two pixels to each register.")
		for r := 0; r < rows; r += 2 {
			a.load(x, r*lanes*4, weights[0])
			a.load(x, min(r+1, rows-1)*lanes*4, weights[1])
			a.interleave(1, "D2", weights[0], weights[1], values[r])
			a.interleave(2, "D2", weights[0], weights[1], values[r+1])
		}
	} else {
		a.comment("Four inputs of each pixel.")
		for r, v := range values {
			a.load(x, r*lanes*4, v)
		}
	}
	a.op("ADD", number(unroll*4), x)
	for k := 0; pairs && k < unroll; k += 2 {
		a.comment("Inputs %d to %d: rows of the panel times each pixel's values.", 2*k, 2*k+3)
		for j := range quarters {
			w := weights[(k*quarters+2*j)%len(weights):][:2]
			a.loadAll(b, (k*quarters+2*j)*16, w)
			for i, v := range w {
				for r := 0; r < rows; r += 2 {
					x, sum := values[r+k/2], row(r + i)[j]
					a.bfloat16(0x6e40ec00|uint32(v)<<16|uint32(x)<<5|uint32(sum), "bfmmla v%d.4s, v%d.8h, v%d.8h", int(sum), int(x), int(v))
				}
			}
		}
	}
	for k := 0; !pairs && k < unroll; k++ {
		a.comment("Input %d: a row of the panel times each pixel's value.", k)
		for j := 0; j < quarters; j += 2 {
			w := weights[(k*quarters+j)%len(weights):][:2]
			a.loadAll(b, (k*quarters+j)*16, w)
			for i, v := range w {
				for r := range rows {
					a.fmaLane(v, lane{values[r], k}, row(r)[j+i])
				}
			}
		}
	}
	a.op("ADD", number(unroll*lanes*4), b)
	a.op("SUB", number(1), turns)
	a.op("CBNZ", turns, "inputs")
	a.op("SUB", number(1), blocks)
	a.op("CBNZ", blocks, "block")

	if pairs {
		a.comment("Four outputs of a pixel to each register.")
		swap()
	}
	a.comment("Clamp at zero; NaN stays.")
	a.op("MOVD", at(args, tileReLU), tmp)
	a.op("CBZ", tmp, "store")
	a.zero(all[31])
	for _, s := range sums {
		a.binary("fmax", s, all[31], s)
	}
	a.label("store")
	for r := range rows {
		a.storeAll(row(r), out, 0)
		step(r, out)
	}
	a.op("RET")
}
