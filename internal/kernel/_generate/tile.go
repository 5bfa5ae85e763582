package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kernel.tileArgs.
const (
	tileSources  = 0
	tilePixel    = 8
	tileBlocks   = 16
	tileB        = 24
	tileC        = 32
	tileCPixel   = 40
	tileCBlock   = 48
	tileBias     = 56
	tileResidual = 64
	tileReLU     = 72
	tileNext     = 80
	tileNextEnd  = 88
	tilePace     = 96
)

// tileShapes lists the tile kernels: up to rows pixels by width blocks. Registers limit
// the number of rows: rows*width accumulators, a row of the panel, and at least one
// broadcast pixel. Nine rows by three blocks fit too, but their speed varies.
var tileShapes = []struct {
	isa         isa
	width, rows int
}{
	{avx512, 1, 14},
	{avx512, 2, 14},
	{avx512, 3, 8},
	{avx2, 1, 6},
}

// pairShapes lists the tile kernels on pairs of bfloat16 values.
var pairShapes = []struct{ width, rows int }{{1, 14}, {2, 14}, {3, 8}}

// tiles emits every tile kernel.
func tiles(c *build.Context) {
	for _, s := range tileShapes {
		for rows := 1; rows <= s.rows; rows++ {
			tile(c, s.isa, rows, s.width, false)
		}
	}
}

// pairTiles emits the tile kernels on pairs of bfloat16 values, and the kernel that
// makes these pairs.
func pairTiles(c *build.Context) {
	for _, s := range pairShapes {
		for rows := 1; rows <= s.rows; rows++ {
			tile(c, avx512, rows, s.width, true)
		}
	}
	plainFunction(c, "pairsAVX512", "func(dst, low, high *float32, n int)",
		"rounds n pixels, n positive, of two blocks of channels to bfloat16,",
		"to the nearest, ties to even, each pixel to one of 16 pairs:", "",
		"	dst[p] = low[p,0..16], high[p,0..16]")
	dst, low, high, n := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	for i, r := range []reg.Register{dst, low, high, n} {
		c.MOVQ(operand.NewParamAddr([]string{"dst", "low", "high", "n"}[i], 8*i), r)
	}
	c.Label("pixel")
	c.VMOVUPS(operand.Mem{Base: low}, reg.Z0)
	c.VMOVUPS(operand.Mem{Base: high}, reg.Z1)
	encode(c, vcvtne2ps2bf16, reg.Z0, reg.Z1, reg.Z0)
	c.VMOVUPS(reg.Z0, operand.Mem{Base: dst})
	for _, r := range []reg.Register{dst, low, high} {
		c.ADDQ(imm(64), r)
	}
	c.DECQ(n)
	c.JNZ(operand.LabelRef("pixel"))
	finish(c)
}

// tile emits the kernel for a tile of rows pixels by width blocks of outputs.
//
// The sums of a tile stay in registers while the kernel loops over the inputs. For each
// input it loads one row of the panel (width blocks); for each pixel it broadcasts the
// input's value and adds the products. Blocks of inputs are addressed through a table,
// so that the same kernel serves maps, shifted maps, several concatenated maps, and
// packed matrices.
//
// With pairs, an input is a pair of bfloat16 values and each product the sum of two.
func tile(c *build.Context, v isa, rows, width int, pairs bool) {
	const unroll = 4 // inputs per iteration of the inner loop
	parts := v.parts() * width
	sum := func(r, j int) reg.VecPhysical { return v.regs[r*parts+j] }
	row := v.regs[rows*parts : rows*parts+parts]
	free := v.regs[(rows+1)*parts:]
	free = free[:min(len(free), 4)]

	name, kind := fmt.Sprintf("tile%dx%d%s", rows, width, v.name), "kernel"
	if pairs {
		name, kind = fmt.Sprintf("tilePairs%dx%d%s", rows, width, v.name), "kernel on pairs of bfloat16"
	}
	function(c, name, "tileArgs",
		fmt.Sprintf("is the tile %s for %d pixels by %d blocks of outputs:", kind, rows, width), "",
		fmt.Sprintf("	for r in 0..%d, j in 0..%d:", rows, width*lanes),
		"	    s = bias[j] + residual[r,j], or c[r,j] if there is no bias",
		"	    for i in 0..blocks, k in 0..16:",
		"	        s += sources[i][pixel + r*16 + k] * b[i*16+k, j]",
		"	    c[r,j] = max(s, 0) if relu else s")

	args := reg.RDI
	source, pixel, blocks, b := reg.RSI, reg.R8, reg.RCX, reg.RBX
	out, outRow, cPixel, cBlock := reg.RDX, reg.R12, reg.R13, reg.R9
	next, due := reg.R15, reg.R14
	x, turns, tmp := reg.RAX, reg.R11, reg.R10
	c.MOVQ(operand.NewParamAddr("args", 0), args)
	for _, l := range []struct {
		at int
		to reg.Register
	}{{tileSources, source}, {tilePixel, pixel}, {tileBlocks, blocks}, {tileB, b}, {tileC, out}, {tileCPixel, cPixel}, {tileCBlock, cBlock}, {tileNext, next}} {
		c.MOVQ(mem(args, l.at), l.to)
	}
	// at is part j of the outputs of the pixel at base.
	at := func(base reg.Register, j int) operand.Mem {
		m := mem(base, j%v.parts()*v.bytes)
		switch block := j / v.parts(); block {
		case 1, 2:
			m.Index, m.Scale = cBlock, uint8(block)
		}
		return m
	}
	eachRow := func(body func(r int)) {
		for r := range rows {
			body(r)
			if r < rows-1 {
				c.ADDQ(cPixel, outRow)
			}
		}
	}

	c.Comment("Start from the bias and the residual, or from the values in c.")
	c.MOVQ(mem(args, tileBias), tmp)
	c.TESTQ(tmp, tmp)
	c.JZ(operand.LabelRef("resume"))
	for j := range parts {
		c.VMOVUPS(mem(tmp, j*v.bytes), sum(0, j))
	}
	for r := 1; r < rows; r++ {
		for j := range parts {
			c.VMOVAPS(sum(0, j), sum(r, j))
		}
	}
	c.MOVQ(mem(args, tileResidual), outRow)
	c.TESTQ(outRow, outRow)
	c.JZ(operand.LabelRef("start"))
	eachRow(func(r int) {
		for j := range parts {
			c.VADDPS(at(outRow, j), sum(r, j), sum(r, j))
		}
	})
	c.JMP(operand.LabelRef("start"))
	c.Label("resume")
	c.MOVQ(out, outRow)
	eachRow(func(r int) {
		for j := range parts {
			c.VMOVUPS(at(outRow, j), sum(r, j))
		}
	})

	c.Label("start")
	c.Comment("Prefetch the outputs of the next tile.")
	c.IMUL3Q(imm(rows), cPixel, outRow)
	c.ADDQ(out, outRow)
	eachRow(func(r int) {
		for j := 0; j < parts; j += v.parts() {
			c.PREFETCHT0(at(outRow, j))
		}
	})
	// Pixels are addressed relative to the eighth, so that the offsets of all fourteen
	// fit into a byte.
	const bias = 8 * lanes * 4
	c.ADDQ(imm(bias), pixel)
	c.MOVQ(next, due)
	align(c)
	c.Label("block")
	c.Comment("Next block of 16 inputs.")
	c.MOVQ(mem(source, 0), x)
	c.ADDQ(imm(8), source)
	c.ADDQ(pixel, x)
	c.MOVQ(operand.U32(lanes/unroll), turns)
	align(c)
	c.Label("inputs")
	c.Comment("Prefetch what is due of the next panel.")
	c.ADDQ(mem(args, tilePace), due)
	c.Label("fetch")
	c.CMPQ(next, due)
	c.JAE(operand.LabelRef("fetched"))
	c.PREFETCHT1(mem(next, 0))
	c.ADDQ(imm(64), next)
	c.JMP(operand.LabelRef("fetch"))
	c.Label("fetched")
	for k := range unroll {
		c.Commentf("Input %d: a row of the panel times each pixel's value.", k)
		for j := range parts {
			c.VMOVUPS(mem(b, (k*parts+j)*v.bytes), row[j])
		}
		for r := range rows {
			value := free[(k*rows+r)%len(free)]
			c.VBROADCASTSS(mem(x, r*lanes*4+k*4-bias), value)
			for j := range parts {
				if pairs {
					encode(c, vdpbf16ps, row[j], value, sum(r, j))
				} else {
					c.VFMADD231PS(row[j], value, sum(r, j))
				}
			}
		}
	}
	c.ADDQ(imm(unroll*parts*v.bytes), b)
	c.ADDQ(imm(unroll*4), x)
	c.DECQ(turns)
	c.JNZ(operand.LabelRef("inputs"))
	c.DECQ(blocks)
	c.JNZ(operand.LabelRef("block"))

	c.Comment("Clamp at zero; the order of operands keeps NaN.")
	c.CMPQ(mem(args, tileReLU), imm(0))
	c.JE(operand.LabelRef("store"))
	v.zero(c, free[0])
	for r := range rows {
		for j := range parts {
			c.VMAXPS(sum(r, j), free[0], sum(r, j))
		}
	}
	c.Label("store")
	for r := range rows {
		for j := range parts {
			c.VMOVUPS(sum(r, j), at(out, j))
		}
		if r < rows-1 {
			c.ADDQ(cPixel, out)
		}
	}
	finish(c)
}
