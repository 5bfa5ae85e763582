package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// parameters loads the parameters of a plain function, of eight bytes each, into registers.
func parameters(c *build.Context, names []string, regs ...reg.Register) {
	for i, r := range regs {
		c.MOVQ(operand.NewParamAddr(names[i], 8*i), r)
	}
}

// picks emits the kernels that compare rows: products of two, and which of many products are
// looked at. They are used on AVX-512 machines too.
func picks(c *build.Context) {
	finites(c)
	plainFunction(c, "dotAVX2", "func(x, y *float32, n int, lanes *float32)",
		"adds products of two rows up in 32 chains, n a positive multiple of 32:", "",
		"	for i in 0..n:",
		"	    sum[i%32] += x[i] * y[i]", "",
		"and writes the sums of four, lanes[l] = (sum[l] + sum[8+l]) + (sum[16+l] + sum[24+l]).")
	x, y, n, lanes := reg.RSI, reg.RDX, reg.RCX, reg.RDI
	parameters(c, []string{"x", "y", "n", "lanes"}, x, y, n, lanes)
	sums, read := avx2.regs[:4], avx2.regs[4:8]
	for _, r := range sums {
		avx2.zero(c, r)
	}
	c.Label("loop")
	for i, r := range sums {
		c.VMOVUPS(mem(x, 32*i), read[i])
		c.VFMADD231PS(mem(y, 32*i), read[i], r)
	}
	c.SUBQ(imm(-128), x)
	c.SUBQ(imm(-128), y)
	c.SUBQ(imm(32), n)
	c.JNZ(operand.LabelRef("loop"))
	c.VADDPS(sums[1], sums[0], sums[0])
	c.VADDPS(sums[3], sums[2], sums[2])
	c.VADDPS(sums[2], sums[0], sums[0])
	c.VMOVUPS(sums[0], mem(lanes, 0))
	finish(c)

	plainFunction(c, "exceedAVX2", "func(x, least *float32, n int, own float32) int",
		"returns the first multiple of 8 from which on one of eight numbers is", "above own or above its own least, n a positive multiple of 8:", "",
		"	x[i] > own || x[i] > least[i]", "",
		"n if there is none.")
	least, at := reg.RDX, reg.RAX
	parameters(c, []string{"x", "least", "n"}, x, least, n)
	own, value, above, more := reg.Y0, reg.Y1, reg.Y2, reg.Y3
	c.VBROADCASTSS(operand.NewParamAddr("own", 24), own)
	c.XORQ(at, at)
	c.Label("group")
	c.VMOVUPS(operand.Mem{Base: x, Index: at, Scale: 4}, value)
	c.VCMPPS(operand.U8(30), own, value, above)
	c.VCMPPS(operand.U8(17), value, operandAt(c, least, at, more), more)
	c.VORPS(more, above, above)
	c.VTESTPS(above, above)
	c.JNZ(operand.LabelRef("found"))
	c.ADDQ(imm(8), at)
	c.CMPQ(at, n)
	c.JL(operand.LabelRef("group"))
	c.Label("found")
	c.Store(at, c.ReturnIndex(0))
	finish(c)
}

// finites emits the search for NaN and infinite values.
func finites(c *build.Context) {
	plainFunction(c, "finiteAVX2", "func(x *float32, n int) int",
		"returns the first multiple of 8 from which on one of eight numbers is NaN or", "infinite, n a positive multiple of 8; n if there is none.")
	x, n, at := reg.RSI, reg.RCX, reg.RAX
	parameters(c, []string{"x", "n"}, x, n)
	value, zero := reg.Y0, reg.Y1
	avx2.zero(c, zero)
	c.XORQ(at, at)
	c.Label("group")
	c.VMOVUPS(operand.Mem{Base: x, Index: at, Scale: 4}, value)
	c.VSUBPS(value, value, value)
	c.VCMPPS(operand.U8(3), zero, value, value) // unordered: one is NaN
	c.VTESTPS(value, value)
	c.JNZ(operand.LabelRef("found"))
	c.ADDQ(imm(8), at)
	c.CMPQ(at, n)
	c.JL(operand.LabelRef("group"))
	c.Label("found")
	c.Store(at, c.ReturnIndex(0))
	finish(c)
}

// operandAt loads a vector of floats at base[index] into a register, and returns it.
func operandAt(c *build.Context, base, index reg.Register, to reg.VecPhysical) reg.VecPhysical {
	c.VMOVUPS(operand.Mem{Base: base, Index: index, Scale: 4}, to)
	return to
}
