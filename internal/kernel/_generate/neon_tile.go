package main

import "fmt"

// neonTileRows is the number of pixels of the largest tile. Its 24 sums, a vector of
// inputs per pixel and two vectors of weights fill the registers.
const neonTileRows = 6

// neonTiles emits the tile kernels of arm64, for panels of one block.
func neonTiles(a *neon) {
	for rows := 1; rows <= neonTileRows; rows++ {
		neonTile(a, rows)
	}
}

// neonTile emits the kernel for a tile of rows pixels by one block of outputs.
//
// It differs from the tiles of x86 in how inputs are read: four of a pixel at once into a
// register, whose lanes the multiplications name.
func neonTile(a *neon, rows int) {
	const unroll = 4 // inputs per iteration of the inner loop
	all := vecs(0, 32)
	sums, values, weights := all[:rows*quarters], all[rows*quarters:][:rows], all[rows*(quarters+1):]
	weights = weights[:min(len(weights), 8)&^1]
	row := func(r int) []vec { return sums[r*quarters:][:quarters] }

	a.function(fmt.Sprintf("tile%dx1NEON", rows), "args *tileArgs", 8,
		fmt.Sprintf("is the tile kernel for %d pixels by 1 block of outputs:", rows), "",
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
		residual := all[rows*quarters:][:quarters]
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
	a.comment("Four inputs of each pixel.")
	for r, v := range values {
		a.load(x, r*lanes*4, v)
	}
	a.op("ADD", number(unroll*4), x)
	for k := range unroll {
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
