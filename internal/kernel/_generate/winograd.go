package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kernel.winogradIn.
const (
	inRows    = 0
	inStep    = 48
	inDst     = 96
	inTap     = 104
	inBlock   = 112
	inBlocks  = 120
	inColumns = 128
	inWork    = 136
)

// Offsets of kernel.winogradOut.
const (
	outSrc     = 0
	outTap     = 8
	outBlock   = 16
	outRows    = 24
	outStep    = 56
	outBlocks  = 88
	outColumns = 96
	outBias    = 104
	outFloor   = 112
	outAdd     = 120
	outWork    = 128
)

// points are the constants of F(4x4) with the points 0, +-a, +-b and infinity,
// a = sqrt(1/2) and b = sqrt(2).
var points = []struct {
	name  string
	value float64
}{
	{"a", math.Sqrt(0.5)},
	{"b", math.Sqrt2},
	{"-2", -2},
	{"-1/2", -0.5},
	{"-5/2", -2.5},
	{"1/2", 0.5},
	{"2", 2},
	{"a^3", math.Sqrt(0.5) / 2},
	{"b^3", 2 * math.Sqrt2},
}

// winograd emits the transforms of F(2x2) and F(4x4) in both vector sizes.
func winograd(c *build.Context) {
	table := c.StaticGlobal("winogradPoints")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, p := range points {
		for range 8 {
			c.AppendDatum(operand.F32(p.value))
		}
	}
	for _, v := range []isa{avx512, avx2} {
		for _, m := range []int{2, 4} {
			w := transform{c: c, v: v, m: m, n: m + 2, table: table}
			w.input()
			w.output()
		}
	}
}

// transform emits the transforms for tiles of m x m outputs, n x n inputs.
type transform struct {
	c     *build.Context
	v     isa
	m, n  int
	table operand.Mem
	held  map[string]operand.Op // constants kept in registers
}

// hold loads constants into the registers from first on, if there are enough registers;
// otherwise they are read from memory at each use.
func (w *transform) hold(first int, names ...string) {
	w.held = map[string]operand.Op{}
	for _, name := range names {
		for i, p := range points {
			if p.name != name {
				continue
			}
			m := w.table.Offset(32 * i)
			if w.v.bytes == 32 {
				w.held[name] = m
				continue
			}
			r := w.v.regs[first]
			w.c.VBROADCASTSS(m, r)
			w.held[name] = r
			first++
		}
	}
}

// line names the rows' address registers.
var line = []reg.Register{reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13}

// halves runs body once per vector of a block: the addresses in regs advance by a vector
// within the block, and by what step says after it. turn is a free register.
func (w *transform) halves(label string, turn reg.Register, regs []reg.Register, body func(), step func()) {
	c := w.c
	if w.v.parts() == 2 {
		c.XORL(turn.(reg.GPPhysical).As32(), turn.(reg.GPPhysical).As32())
	}
	c.Label(label)
	body()
	if w.v.parts() == 2 {
		c.Comment("The other half of the block.")
		for _, r := range regs {
			c.ADDQ(imm(32), r)
		}
		c.XORQ(imm(1), turn)
		c.JNZ(operand.LabelRef(label))
		for _, r := range regs {
			c.SUBQ(imm(64), r)
		}
	}
	step()
}

// input emits the transform of a tile of inputs.
func (w *transform) input() {
	c, v, n := w.c, w.v, w.n
	function(c, fmt.Sprintf("winogradIn%d%s", w.m, v.name), "winogradIn",
		fmt.Sprintf("transforms a %dx%d tile of inputs for F(%dx%d, 3x3):", n, n, w.m, w.m), "",
		"	for b in 0..blocks, l in 0..16:",
		fmt.Sprintf("	    d[r,c] = rows[r][b,c-1,l] if columns has bit c, else 0; r, c in 0..%d", n),
		"	    dst[i,j][b,l] = (B^T d B)[i,j]")
	args, dst, tap, blocks := reg.RDI, reg.RSI, reg.RBX, reg.RCX
	work, to, turn := reg.RDX, reg.R15, reg.R14
	c.MOVQ(operand.NewParamAddr("args", 0), args)
	for r := range n {
		c.MOVQ(mem(args, inRows+8*r), line[r])
	}
	c.MOVQ(mem(args, inDst), dst)
	c.MOVQ(mem(args, inTap), tap)
	c.MOVQ(mem(args, inBlocks), blocks)
	c.MOVQ(mem(args, inWork), work)
	if w.m == 4 {
		w.hold(24, "a", "b", "-2", "-1/2", "-5/2")
	}
	at := func(i, j int) operand.Mem { return mem(work, (i*n+j)*v.bytes) }
	d := v.regs[:n]
	moving := append([]reg.Register{dst}, line[:n]...)
	w.halves("block", turn, moving, func() {
		for col := range n {
			c.Commentf("Column %d, zero outside the map.", col)
			outside, ready := fmt.Sprintf("outside%d", col), fmt.Sprintf("ready%d", col)
			c.TESTQ(operand.I32(1<<col), mem(args, inColumns))
			c.JZ(operand.LabelRef(outside))
			for r := range n {
				c.VMOVUPS(mem(line[r], (col-1)*lanes*4), d[r])
			}
			w.inputLine(d, func(i int, r operand.Op) { c.VMOVAPS(r, at(i, col)) })
			c.JMP(operand.LabelRef(ready))
			c.Label(outside)
			v.zero(c, d[0])
			for i := range n {
				c.VMOVAPS(d[0], at(i, col))
			}
			c.Label(ready)
		}
		c.MOVQ(dst, to)
		for i := range n {
			c.Commentf("Row %d.", i)
			for j := range n {
				c.VMOVAPS(at(i, j), d[j])
			}
			w.inputLine(d, func(j int, r operand.Op) {
				c.VMOVUPS(r, operand.Mem{Base: to})
				c.ADDQ(tap, to)
			})
		}
	}, func() {
		for r := range n {
			c.ADDQ(mem(args, inStep+8*r), line[r])
		}
		c.ADDQ(mem(args, inBlock), dst)
		c.DECQ(blocks)
		c.JNZ(operand.LabelRef("block"))
	})
	finish(c)
}

// inputLine emits B^T d for one line and passes the results, in order, to store. It may
// overwrite d and the registers after it.
//
//	F(2): d0-d2, d1+d2, d2-d1, d1-d3
//	F(4): d0 - 5/2 d2 + d4
//	      (d4 - 2 d2) +- a (d3 - 2 d1)
//	      (d4 - 1/2 d2) +- b (d3 - 1/2 d1)
//	      d1 - 5/2 d3 + d5
func (w *transform) inputLine(d []reg.VecPhysical, store func(i int, r operand.Op)) {
	c := w.c
	t := w.v.regs[len(d):]
	if w.m == 2 {
		c.VSUBPS(d[2], d[0], t[0])
		c.VADDPS(d[1], d[2], t[1])
		c.VSUBPS(d[1], d[2], t[2])
		c.VSUBPS(d[3], d[1], t[3])
		for i := range 4 {
			store(i, t[i])
		}
		return
	}
	// even and odd parts at the points +-a and +-b
	evenA, oddA, evenB, oddB, a, b := t[0], t[1], t[2], t[3], t[4], t[5]
	for _, s := range []struct {
		from, with int
		factor     string
		to         operand.Op
	}{{4, 2, "-2", evenA}, {3, 1, "-2", oddA}, {4, 2, "-1/2", evenB}, {3, 1, "-1/2", oddB}} {
		c.VMOVAPS(d[s.from], s.to)
		c.VFMADD231PS(w.held[s.factor], d[s.with], s.to)
	}
	c.VADDPS(d[4], d[0], d[0])
	c.VFMADD231PS(w.held["-5/2"], d[2], d[0])
	c.VADDPS(d[1], d[5], d[5])
	c.VFMADD231PS(w.held["-5/2"], d[3], d[5])
	c.VMOVAPS(evenA, a)
	c.VFMADD231PS(w.held["a"], oddA, a)
	c.VFNMADD231PS(w.held["a"], oddA, evenA)
	c.VMOVAPS(evenB, b)
	c.VFMADD231PS(w.held["b"], oddB, b)
	c.VFNMADD231PS(w.held["b"], oddB, evenB)
	for i, r := range []operand.Op{d[0], a, evenA, b, evenB, d[5]} {
		store(i, r)
	}
}

// output emits the transform of a tile of products.
func (w *transform) output() {
	c, v, m, n := w.c, w.v, w.m, w.n
	function(c, fmt.Sprintf("winogradOut%d%s", m, v.name), "winogradOut",
		fmt.Sprintf("transforms the products of a tile to %dx%d outputs:", m, m), "",
		"	for b in 0..blocks, l in 0..16:",
		fmt.Sprintf("	    y = A^T src[.,.][b,l] A + bias[b,l]; src is %dx%d", n, n),
		fmt.Sprintf("	    for r, c in 0..%d if columns has bit c:", m),
		"	        y[r,c] += rows[r][b,c,l] if add",
		"	        rows[r][b,c,l] = max(y[r,c], floor)")
	args, src, tap, blocks := reg.RDI, reg.RSI, reg.RBX, reg.RCX
	work, from, turn, bias := reg.RDX, reg.R15, reg.R14, reg.R13
	c.MOVQ(operand.NewParamAddr("args", 0), args)
	c.MOVQ(mem(args, outSrc), src)
	c.MOVQ(mem(args, outTap), tap)
	for r := range m {
		c.MOVQ(mem(args, outRows+8*r), line[r])
	}
	c.MOVQ(mem(args, outBlocks), blocks)
	c.MOVQ(mem(args, outBias), bias)
	c.MOVQ(mem(args, outWork), work)
	floor, offset := v.regs[14], v.regs[15]
	c.VBROADCASTSS(mem(args, outFloor), floor)
	if m == 4 {
		w.hold(24, "a", "b", "1/2", "2", "a^3", "b^3")
	}
	at := func(i, j int) operand.Mem { return mem(work, (i*m+j)*v.bytes) }
	d := v.regs[:n]
	moving := append([]reg.Register{src, bias}, line[:m]...)
	w.halves("block", turn, moving, func() {
		c.MOVQ(src, from)
		for i := range n {
			c.Commentf("Row %d.", i)
			for j := range n {
				c.VMOVUPS(operand.Mem{Base: from}, d[j])
				c.ADDQ(tap, from)
			}
			w.outputLine(d, func(j int, r operand.Op) { c.VMOVAPS(r, at(i, j)) })
		}
		c.VMOVUPS(operand.Mem{Base: bias}, offset)
		for col := range m {
			c.Commentf("Column %d, unless outside the map.", col)
			skip, plain := fmt.Sprintf("skip%d", col), fmt.Sprintf("plain%d", col)
			c.TESTQ(operand.I32(1<<col), mem(args, outColumns))
			c.JZ(operand.LabelRef(skip))
			for i := range n {
				c.VMOVAPS(at(i, col), d[i])
			}
			results := make([]operand.Op, m)
			w.outputLine(d, func(i int, r operand.Op) { results[i] = r })
			for _, r := range results {
				c.VADDPS(offset, r, r)
			}
			c.CMPQ(mem(args, outAdd), imm(0))
			c.JE(operand.LabelRef(plain))
			for i, r := range results {
				c.VADDPS(mem(line[i], col*lanes*4), r, r)
			}
			c.Label(plain)
			for i, r := range results {
				c.VMAXPS(r, floor, r)
				c.VMOVUPS(r, mem(line[i], col*lanes*4))
			}
			c.Label(skip)
		}
	}, func() {
		for r := range m {
			c.ADDQ(mem(args, outStep+8*r), line[r])
		}
		c.ADDQ(mem(args, outBlock), src)
		c.ADDQ(imm(64), bias)
		c.DECQ(blocks)
		c.JNZ(operand.LabelRef("block"))
	})
	finish(c)
}

// outputLine emits A^T d for one line; see inputLine.
//
//	F(2): d0 + (d1+d2), (d1-d2) - d3
//	F(4): d0 + (d1+d2) + (d3+d4)
//	      a (d1-d2) + b (d3-d4)
//	      1/2 (d1+d2) + 2 (d3+d4)
//	      a^3 (d1-d2) + b^3 (d3-d4) + d5
func (w *transform) outputLine(d []reg.VecPhysical, store func(i int, r operand.Op)) {
	c := w.c
	t := w.v.regs[len(d):]
	sumA, difA := t[0], t[1]
	c.VADDPS(d[2], d[1], sumA)
	c.VSUBPS(d[2], d[1], difA)
	if w.m == 2 {
		c.VADDPS(sumA, d[0], t[2])
		c.VSUBPS(d[3], difA, t[3])
		store(0, t[2])
		store(1, t[3])
		return
	}
	sumB, difB, y0, y1, y2 := t[2], t[3], t[4], t[5], t[6]
	c.VADDPS(d[4], d[3], sumB)
	c.VSUBPS(d[4], d[3], difB)
	c.VADDPS(sumA, d[0], y0)
	c.VADDPS(sumB, y0, y0)
	c.VMULPS(w.held["a"], difA, y1)
	c.VFMADD231PS(w.held["b"], difB, y1)
	c.VMULPS(w.held["1/2"], sumA, y2)
	c.VFMADD231PS(w.held["2"], sumB, y2)
	c.VFMADD231PS(w.held["a^3"], difA, d[5])
	c.VFMADD231PS(w.held["b^3"], difB, d[5])
	for i, r := range []operand.Op{y0, y1, y2, d[5]} {
		store(i, r)
	}
}
