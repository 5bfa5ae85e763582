package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// expConstants are the constants of the exponential and of what uses it.
//
//	exp(x) = 2^n * (1 + r + r^2 q(r)), n = round(x / ln 2), r = x - n ln 2
//
// q has degree four and a relative error of at most 4e-9 of exp(r) for |r| <= ln(2)/2.
// Its coefficients come from a least-squares fit with weights that equalise the error
// (Lawson's iteration). ln 2 is split so that n times its upper part is exact.
var expConstants = []constant{
	{"low", -87.3}, // exp(low) is about the smallest normal number
	{"high", 88.3}, // n is at most 127
	{"log2e", 1.4426950408889634},
	{"ln2Upper", 0.693359375},
	{"ln2Lower", -2.12194440e-4},
	{"q0", 0.4999999403953552},
	{"q1", 0.1666652113199234},
	{"q2", 0.04166838899254799},
	{"q3", 0.00836874544620514},
	{"q4", 0.0013814540579915047},
	{"one", 1},
	{"slope", -1.702},
}

// geluConstants are those of the upper tail of the normal distribution,
//
//	Q(a) = t c(t) exp(-a^2/2), t = 1 / (1 + 0.3 a)
//
// for a >= 0. c has degree seven and a relative error of at most 1.6e-7 up to a = 13.3,
// where the exponential is zero. Its coefficients come from the same kind of fit as q's.
var geluConstants = []constant{
	{"bend", 0.3},
	{"minusHalf", -0.5},
	{"c0", 0.11962518095970154},
	{"c1", 0.1208166778087616},
	{"c2", 0.09952437877655029},
	{"c3", 0.12983909249305725},
	{"c4", -0.056087739765644073},
	{"c5", 0.20895574986934662},
	{"c6", -0.15870846807956696},
	{"c7", 0.03603506088256836},
}

// exps emits the kernels that use the exponential.
func exps(c *build.Context) {
	table := constants(c, "expConstants", expConstants)
	gelu := constants(c, "geluConstants", geluConstants)
	for _, v := range []isa{avx512, avx2} {
		e := exponential{c: c, v: v, table: table}
		e.quickGELU()
		e.gelu(gelu)
		e.maxLanes()
		e.expLanes()
		e.scale()
		e.softmaxPixel()
	}
}

// constant is a number by its name in the generator.
type constant struct {
	name string
	v    float32
}

// constants emits a table with each constant eight times, a vector of AVX2.
func constants(c *build.Context, name string, list []constant) operand.Mem {
	table := c.StaticGlobal(name)
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, k := range list {
		for range 8 {
			c.AppendDatum(operand.F32(k.v))
		}
	}
	return table
}

type exponential struct {
	c     *build.Context
	v     isa
	table operand.Mem
	held  map[string]operand.Op
}

// load loads the exponential's constants into registers from first on with AVX-512;
// AVX2 reads them from memory.
func (e *exponential) load(first int) {
	e.held = map[string]operand.Op{}
	e.loadTable(e.table, expConstants, first)
}

// loadTable does so with the constants of a table.
func (e *exponential) loadTable(table operand.Mem, list []constant, first int) {
	for i, k := range list {
		m := table.Offset(32 * i)
		if e.v.bytes == 32 {
			e.held[k.name] = m
			continue
		}
		r := e.v.regs[first+i]
		e.c.VBROADCASTSS(m, r)
		e.held[k.name] = r
	}
}

// exp replaces x by exp(x), using three scratch registers. Below -87.3 the result is
// zero; above 88.3 it is exp(88.3). NaN stays NaN.
func (e *exponential) exp(x, n, p, t reg.VecPhysical) {
	c := e.c
	c.Comment("exp: clamp (NaN, as second source, is kept); n = round(x/ln 2).")
	if e.v.bytes == 64 {
		c.VCMPPS(operand.U8(1), e.held["low"], x, reg.K1) // x < low
	} else {
		c.VCMPPS(operand.U8(1), e.held["low"], x, t)
	}
	c.VMOVUPS(e.held["high"], n)
	c.VMINPS(x, n, x)
	c.VMOVUPS(e.held["low"], n)
	c.VMAXPS(x, n, x)
	c.VMULPS(e.held["log2e"], x, n)
	if e.v.bytes == 64 {
		c.VRNDSCALEPS(operand.U8(0), n, n)
	} else {
		c.VROUNDPS(operand.U8(0), n, n)
	}
	c.Comment("r = x - n ln 2; 1 + r + r^2 q(r).")
	c.VFNMADD231PS(e.held["ln2Upper"], n, x)
	c.VFNMADD231PS(e.held["ln2Lower"], n, x)
	c.VMOVUPS(e.held["q4"], p)
	for _, q := range []string{"q3", "q2", "q1", "q0"} {
		c.VFMADD213PS(e.held[q], x, p)
	}
	c.VFMADD213PS(e.held["one"], x, p) // 1 + r q
	c.VFMADD213PS(e.held["one"], x, p) // 1 + r (1 + r q)
	c.Comment("Times 2^n, through the exponent bits; zero if x was too low.")
	c.VCVTPS2DQ(n, n)
	if e.v.bytes == 64 {
		c.VPSLLD(operand.U8(23), n, n)
		c.VPADDD(n, p, x)
		c.VPXORQ(n, n, n)
		c.VMOVAPS(n, reg.K1, x)
		return
	}
	c.VPSLLD(operand.U8(23), n, n)
	c.VPADDD(n, p, x)
	c.VANDNPS(x, t, x)
}

// loop runs body for each vector of the n floats at x; n is a multiple of 16.
func (e *exponential) loop(x, n reg.Register, body func(at operand.Mem)) {
	c := e.c
	c.TESTQ(n, n)
	c.JZ(operand.LabelRef("done"))
	c.Label("loop")
	body(operand.Mem{Base: x})
	c.ADDQ(imm(e.v.bytes), x)
	c.SUBQ(imm(e.v.bytes/4), n)
	c.JNZ(operand.LabelRef("loop"))
	c.Label("done")
}

// params loads the first two parameters, x *float32 and n int.
func (e *exponential) params() (x, n reg.Register) {
	e.c.MOVQ(operand.NewParamAddr("x", 0), reg.RDI)
	e.c.MOVQ(operand.NewParamAddr("n", 8), reg.RCX)
	return reg.RDI, reg.RCX
}

func (e *exponential) quickGELU() {
	c, v := e.c, e.v
	plainFunction(c, "quickGELU"+v.name, "func(x *float32, n int)",
		"replaces n values, n a multiple of 16:", "",
		"	x[i] = x[i] / (1 + exp(-1.702 x[i]))")
	x, n := e.params()
	e.load(8)
	r := v.regs
	e.loop(x, n, func(at operand.Mem) {
		c.VMOVUPS(at, r[0])
		c.VMULPS(e.held["slope"], r[0], r[1])
		e.exp(r[1], r[2], r[3], r[4])
		c.VADDPS(e.held["one"], r[1], r[1])
		c.VDIVPS(r[1], r[0], r[0])
		c.VMOVUPS(r[0], at)
	})
	finish(c)
}

func (e *exponential) gelu(table operand.Mem) {
	c, v := e.c, e.v
	plainFunction(c, "gelu"+v.name, "func(x *float32, n int)",
		"replaces n values, n a multiple of 16:", "",
		"	x[i] = max(x[i], 0) - |x[i]| Q(|x[i]|)", "",
		"where Q is the upper tail of the normal distribution.")
	x, n := e.params()
	e.load(8)
	e.loadTable(table, geluConstants, 8+len(expConstants))
	r := v.regs
	value, power, size, t, tail := r[0], r[1], r[5], r[6], r[7]
	e.loop(x, n, func(at operand.Mem) {
		c.VMOVUPS(at, value)
		c.Comment("size = |x|; t = 1 / (1 + 0.3 size).")
		v.zero(c, size)
		c.VSUBPS(value, size, size)
		c.VMAXPS(value, size, size)
		c.VMOVUPS(e.held["one"], t)
		c.VMOVUPS(t, tail)
		c.VFMADD231PS(e.held["bend"], size, t)
		c.VDIVPS(t, tail, t)
		c.Comment("tail = t c(t).")
		c.VMOVUPS(e.held["c7"], tail)
		for _, k := range []string{"c6", "c5", "c4", "c3", "c2", "c1", "c0"} {
			c.VFMADD213PS(e.held[k], t, tail)
		}
		c.VMULPS(t, tail, tail)
		c.VMULPS(e.held["minusHalf"], size, power)
		c.VMULPS(size, power, power)
		e.exp(power, r[2], r[3], r[4])
		c.Comment("max(x, 0) - size tail exp; NaN, as second source, is kept.")
		c.VMULPS(power, tail, tail)
		c.VMULPS(size, tail, tail)
		v.zero(c, power)
		c.VMAXPS(value, power, power)
		c.VSUBPS(tail, power, power)
		c.VMOVUPS(power, at)
	})
	finish(c)
}

func (e *exponential) maxLanes() {
	c, v := e.c, e.v
	plainFunction(c, "maxLanes"+v.name, "func(x *float32, n int, lanes *float32)",
		"takes maxima of n values, n a multiple of 16:", "",
		"	lanes[i%16] = max(lanes[i%16], x[i])", "",
		"A NaN in x may be ignored.")
	x, n := e.params()
	lane := reg.RDX
	c.MOVQ(operand.NewParamAddr("lanes", 16), lane)
	e.eachHalf(x, n, lane, func(at, sum operand.Mem) {
		c.VMOVUPS(sum, v.regs[0])
		e.half(x, n, func(at operand.Mem) { c.VMAXPS(at, v.regs[0], v.regs[0]) })
		c.VMOVUPS(v.regs[0], sum)
	})
	finish(c)
}

func (e *exponential) expLanes() {
	c, v := e.c, e.v
	plainFunction(c, "expLanes"+v.name, "func(x *float32, n int, shift float32, lanes *float32)",
		"replaces and sums n values, n a multiple of 16:", "",
		"	x[i] = exp(x[i] - shift)",
		"	lanes[i%16] += x[i]")
	x, n := e.params()
	lane := reg.RDX
	c.MOVQ(operand.NewParamAddr("lanes", 24), lane)
	shift, sum := v.regs[6], v.regs[7]
	c.VBROADCASTSS(operand.NewParamAddr("shift", 16), shift)
	e.load(8)
	r := v.regs
	e.eachHalf(x, n, lane, func(at, total operand.Mem) {
		c.VMOVUPS(total, sum)
		e.half(x, n, func(at operand.Mem) {
			c.VMOVUPS(at, r[0])
			c.VSUBPS(shift, r[0], r[0])
			e.exp(r[0], r[1], r[2], r[3])
			c.VADDPS(r[0], sum, sum)
			c.VMOVUPS(r[0], at)
		})
		c.VMOVUPS(sum, total)
	})
	finish(c)
}

// eachHalf runs body once per vector of the lanes: with AVX2 first for lanes 0
// to 7 of every 16 values, then for lanes 8 to 15.
func (e *exponential) eachHalf(x, n, lane reg.Register, body func(at, lanes operand.Mem)) {
	c := e.c
	c.TESTQ(n, n)
	c.JZ(operand.LabelRef("done"))
	if e.v.parts() == 1 {
		body(operand.Mem{Base: x}, operand.Mem{Base: lane})
		c.Label("done")
		return
	}
	turn := reg.R8
	c.MOVQ(n, reg.R9)
	c.MOVQ(x, reg.R10)
	c.XORL(turn.As32(), turn.As32())
	c.Label("half")
	body(operand.Mem{Base: x}, operand.Mem{Base: lane})
	c.MOVQ(reg.R9, n)
	c.LEAQ(mem(reg.R10, 32), x)
	c.ADDQ(imm(32), lane)
	c.XORQ(imm(1), turn)
	c.JNZ(operand.LabelRef("half"))
	c.Label("done")
}

// half runs body for one vector of every 16 values.
func (e *exponential) half(x, n reg.Register, body func(at operand.Mem)) {
	c := e.c
	c.Label("loop")
	body(operand.Mem{Base: x})
	c.ADDQ(imm(lanes*4), x)
	c.SUBQ(imm(lanes), n)
	c.JNZ(operand.LabelRef("loop"))
}

func (e *exponential) scale() {
	c, v := e.c, e.v
	plainFunction(c, "scale"+v.name, "func(x *float32, n int, by float32)",
		"multiplies n values, n a multiple of 16:", "",
		"	x[i] *= by")
	x, n := e.params()
	c.VBROADCASTSS(operand.NewParamAddr("by", 16), v.regs[1])
	e.loop(x, n, func(at operand.Mem) {
		c.VMULPS(at, v.regs[1], v.regs[0])
		c.VMOVUPS(v.regs[0], at)
	})
	finish(c)
}
