package main

import "fmt"

// neonExps emits the kernels of arm64 that use the exponential.
func neonExps(a *neon) {
	for _, t := range []struct {
		name string
		list []constant
	}{{"expConstants", expConstants}, {"geluConstants", geluConstants}} {
		values := make([]float64, len(t.list))
		for i, k := range t.list {
			values[i] = float64(k.v)
		}
		a.table(t.name, values)
	}
	e := neonExponential{a}
	e.quickGELU()
	e.gelu()
	e.maxLanes()
	e.expLanes()
	e.scale()
	e.softmaxPixel()
}

// neonExponential emits kernels on vectors, which handle 16 floats in each iteration.
// The constants are in the last registers.
type neonExponential struct{ *neon }

// constant is the register that holds a constant.
func (e neonExponential) constant(name string) vec {
	for i, k := range expConstants {
		if k.name == name {
			return vec(32 - len(expConstants) + i)
		}
	}
	panic("no constant " + name)
}

// hold loads the constants into their registers.
func (e neonExponential) hold() {
	e.op("MOVD", "$expConstants<>(SB)", "R9")
	for _, k := range expConstants {
		e.op("VLD1R.P", "4(R9)", fmt.Sprintf("[%s]", e.constant(k.name).s4()))
	}
}

// exp replaces x by exp(x), using four scratch registers, with the steps of x86. Below
// -87.3 the result is zero; above 88.3 it is exp(88.3). NaN stays NaN.
func (e neonExponential) exp(x vec, scratch []vec) {
	n, p, q, low := scratch[0], scratch[1], scratch[2], scratch[3]
	k := e.constant
	e.comment("exp: clamp; n = round(x/ln 2).")
	e.binary("fcmgt", k("low"), x, low)
	e.binary("fmin", x, k("high"), x)
	e.binary("fmax", x, k("low"), x)
	e.mul(x, k("log2e"), n)
	e.unary("frintn", n, n)
	e.comment("r = x - n ln 2; 1 + r + r^2 q(r).")
	e.op("VFMLS", k("ln2Upper").s4(), n.s4(), x.s4())
	e.op("VFMLS", k("ln2Lower").s4(), n.s4(), x.s4())
	e.move(k("q3"), p)
	e.fma(k("q4"), x, p)
	for _, name := range []string{"q2", "q1", "q0", "one", "one"} { // the last two: 1 + r (1 + r q)
		e.move(k(name), q)
		e.fma(p, x, q)
		p, q = q, p
	}
	e.comment("Times 2^n, through the exponent bits; zero if x was too low.")
	e.unary("fcvtns", n, n)
	e.op("VSHL", "$23", n.s4(), n.s4())
	e.op("VADD", n.s4(), p.s4(), x.s4())
	e.word(0x4e601c00|uint32(low)<<16|uint32(x)<<5|uint32(x), "bic v%d.16b, v%d.16b, v%d.16b", int(x), int(x), int(low))
}

// loop runs body for each block of the n floats at x, in R0 and R1, which it has loaded
// into the first four registers and stores again if they are results.
func (e neonExponential) loop(results bool, body func(v []vec)) {
	e.op("CBZ", "R1", "done")
	v := vecs(0, quarters)
	e.label("loop")
	e.loadAll("R0", 0, v)
	body(v)
	if results {
		e.storeAll(v, "R0", 0)
	}
	e.op("ADD", number(lanes*4), "R0")
	e.op("SUB", number(lanes), "R1")
	e.op("CBNZ", "R1", "loop")
	e.label("done")
}

func (e neonExponential) quickGELU() {
	e.function("quickGELUNEON", "x *float32, n int", 16,
		"replaces n values, n a multiple of 16:", "",
		"	x[i] = x[i] / (1 + exp(-1.702 x[i]))")
	e.parameters("x n", "R0", "R1")
	e.hold()
	e.loop(true, func(v []vec) {
		for i, x := range v {
			s := vecs(quarters+i%2*5, 5)
			e.mul(x, e.constant("slope"), s[0])
			e.exp(s[0], s[1:])
			e.add(s[0], e.constant("one"), s[0])
			e.binary("fdiv", x, s[0], x)
		}
	})
	e.op("RET")
}

func (e neonExponential) gelu() {
	e.function("geluNEON", "x *float32, n int", 16,
		"replaces n values, n a multiple of 16:", "",
		"	x[i] = max(x[i], 0) - |x[i]| Q(|x[i]|)", "",
		"where Q is the upper tail of the normal distribution.")
	e.parameters("x n", "R0", "R1")
	e.hold()
	// The constants of Q are lanes of three registers.
	held := vecs(32-len(expConstants)-3, 3)
	e.op("MOVD", "$geluConstants<>(SB)", "R9")
	e.loadAll("R9", 0, held)
	k := func(name string) lane {
		for i, c := range geluConstants {
			if c.name == name {
				return lane{held[i/4], i % 4}
			}
		}
		panic("no constant " + name)
	}
	spread := func(l lane, to vec) { e.op("VDUP", fmt.Sprintf("V%d.S[%d]", int(l.of), l.at), to.s4()) }
	power, scratch, size, t, tail, sum, zero := vec(4), vecs(5, 4), vec(9), vec(10), vec(11), vec(12), vec(13)
	e.zero(zero)
	e.loop(true, func(v []vec) {
		for _, x := range v {
			e.comment("size = |x|; t = 1 / (1 + 0.3 size).")
			e.unary("fabs", x, size)
			e.move(e.constant("one"), t)
			e.fmaLane(size, k("bend"), t)
			e.binary("fdiv", e.constant("one"), t, t)
			e.comment("tail = t c(t).")
			tail, sum := tail, sum
			spread(k("c7"), tail)
			for _, name := range []string{"c6", "c5", "c4", "c3", "c2", "c1", "c0"} {
				spread(k(name), sum)
				e.fma(tail, t, sum)
				tail, sum = sum, tail
			}
			e.mul(tail, t, tail)
			e.mulLane(size, k("minusHalf"), power)
			e.mul(power, size, power)
			e.exp(power, scratch)
			e.comment("max(x, 0) - size tail exp; NaN stays.")
			e.mul(tail, power, tail)
			e.mul(tail, size, tail)
			e.binary("fmax", x, zero, x)
			e.sub(x, tail, x)
		}
	})
	e.op("RET")
}

func (e neonExponential) maxLanes() {
	e.function("maxLanesNEON", "x *float32, n int, lanes *float32", 24,
		"takes maxima of n values, n a multiple of 16:", "",
		"	lanes[i%16] = max(lanes[i%16], x[i])", "",
		"A NaN in x stays.")
	e.parameters("x n lanes", "R0", "R1", "R2")
	top := vecs(quarters, quarters)
	e.loadAll("R2", 0, top)
	e.loop(false, func(v []vec) {
		for i, x := range v {
			e.binary("fmax", top[i], x, top[i])
		}
	})
	e.storeAll(top, "R2", 0)
	e.op("RET")
}

func (e neonExponential) expLanes() {
	e.function("expLanesNEON", "x *float32, n int, shift float32, lanes *float32", 32,
		"replaces and sums n values, n a multiple of 16:", "",
		"	x[i] = exp(x[i] - shift)",
		"	lanes[i%16] += x[i]")
	e.parameters("x n", "R0", "R1")
	e.op("MOVD", "lanes+24(FP)", "R2")
	sums, shift := vecs(quarters, quarters), vec(2*quarters)
	e.op("FMOVS", "shift+16(FP)", shift)
	e.op("VDUP", fmt.Sprintf("V%d.S[0]", int(shift)), shift.s4())
	e.hold()
	e.loadAll("R2", 0, sums)
	e.loop(true, func(v []vec) {
		for i, x := range v {
			e.sub(x, shift, x)
			e.exp(x, vecs(2*quarters+1+i%2*4, 4))
			e.add(sums[i], x, sums[i])
		}
	})
	e.storeAll(sums, "R2", 0)
	e.op("RET")
}

func (e neonExponential) scale() {
	e.function("scaleNEON", "x *float32, n int, by float32", 20,
		"multiplies n values, n a multiple of 16:", "",
		"	x[i] *= by")
	e.parameters("x n", "R0", "R1")
	by := vec(quarters)
	e.op("FMOVS", "by+16(FP)", by)
	e.loop(true, func(v []vec) {
		for _, x := range v {
			e.mulLane(x, lane{by, 0}, x)
		}
	})
	e.op("RET")
}

// softmaxPixel emits the softmax of one pixel, in three passes over its blocks.
func (e neonExponential) softmaxPixel() {
	e.function("softmaxPixelNEON", "args *softmaxArgs", 8,
		"replaces the values of one pixel by their softmax:", "",
		"	top = max of x[b,l]; b in 0..blocks, l in 0..16",
		"	x[b,l] = exp(x[b,l] - top) / sum of exp(x[b,l] - top)", "",
		"A NaN stays.")
	args, at16, block, blocks := "R0", "R1", "R2", "R3"
	e.parameters("args", args)
	e.op("MOVD", at(args, softmaxBlock), block)
	e.hold()
	x, lanes, shift, one := vecs(0, quarters), vecs(quarters, quarters), vec(2*quarters), vec(2*quarters+1)
	pass := func(label string, results bool, body func()) {
		e.op("MOVD", at(args, softmaxX), at16)
		e.op("MOVD", at(args, softmaxBlocks), blocks)
		e.label(label)
		e.loadAll(at16, 0, x)
		body()
		if results {
			e.storeAll(x, at16, 0)
		}
		e.op("ADD", block, at16)
		e.op("SUB", number(1), blocks)
		e.op("CBNZ", blocks, label)
	}
	// fold combines all lanes in every lane of a register.
	fold := func(combine, neighbours string, to vec) {
		e.binary(combine, lanes[0], lanes[1], lanes[0])
		e.binary(combine, lanes[2], lanes[3], lanes[2])
		e.binary(combine, lanes[0], lanes[2], to)
		e.binary(neighbours, to, to, to)
		e.binary(neighbours, to, to, to)
	}
	e.op("MOVD", at(args, softmaxX), at16)
	e.loadAll(at16, 0, lanes)
	pass("top", false, func() {
		for i, v := range x {
			e.binary("fmax", lanes[i], v, lanes[i])
		}
	})
	e.comment("Largest of the lanes.")
	fold("fmax", "fmaxp", shift)
	for _, s := range lanes {
		e.zero(s)
	}
	pass("exp", true, func() {
		for i, v := range x {
			e.sub(v, shift, v)
			e.exp(v, vecs(2*quarters+1+i%2*4, 4))
			e.add(lanes[i], v, lanes[i])
		}
	})
	e.comment("One by the sum of the lanes.")
	fold("fadd", "faddp", shift)
	e.op("FMOVS", "$1.0", one)
	e.op("FDIVS", shift, one, one)
	pass("scale", true, func() {
		for _, v := range x {
			e.mulLane(v, lane{one, 0}, v)
		}
	})
	e.op("RET")
}
