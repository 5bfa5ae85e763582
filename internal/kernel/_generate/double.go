package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// images is double.Images: the images whose quadratic forms are computed side by side.
const images = 32

// doubles emits the loops of package double. They multiply and add in two steps, as plain Go
// does on amd64, so that results are the same to the last bit.
func doubles(c *build.Context) {
	doubleSums(c)
	doubleMaps(c)
	doubleForms(c)
	doubleProducts(c)
}

// numbers emits a loop over n floats, a positive multiple of 4*groups, which are read as
// doubles into Y0, Y1, ...; each is what body gets.
func numbers(c *build.Context, x, n reg.Register, groups int, body func(group int, value reg.VecPhysical), end func()) {
	c.Label("loop")
	for g := range groups {
		value := avx2.regs[g]
		c.VCVTPS2PD(mem(x, 16*g), value)
		body(g, value)
	}
	end()
	c.ADDQ(imm(16*groups), x)
	c.SUBQ(imm(4*groups), n)
	c.JNZ(operand.LabelRef("loop"))
}

// doubleSums emits the sums over a row.
func doubleSums(c *build.Context) {
	x, n, sums, ends := reg.RSI, reg.RCX, reg.RDI, reg.RDX
	plainFunction(c, "sumAVX2", "func(x *float32, n int, sums *float64, ends *float32)",
		"adds numbers up in four chains, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    sums[i%4] += x[i]",
		"	    ends[i%8] = min(ends[i%8], x[i])",
		"	    ends[8+i%8] = max(ends[8+i%8], x[i])")
	parameters(c, []string{"x", "n", "sums", "ends"}, x, n, sums, ends)
	total, low, high, eight := reg.Y8, reg.Y9, reg.Y10, reg.Y11
	c.VMOVUPD(mem(sums, 0), total)
	c.VMOVUPS(mem(ends, 0), low)
	c.VMOVUPS(mem(ends, 32), high)
	numbers(c, x, n, 2, func(_ int, value reg.VecPhysical) { c.VADDPD(value, total, total) }, func() {
		c.VMOVUPS(mem(x, 0), eight)
		c.VMINPS(eight, low, low)
		c.VMAXPS(eight, high, high)
	})
	c.VMOVUPD(total, mem(sums, 0))
	c.VMOVUPS(low, mem(ends, 0))
	c.VMOVUPS(high, mem(ends, 32))
	finish(c)

	plainFunction(c, "squaresAVX2", "func(x *float32, n int, mean float64, sums *float64)",
		"adds squares up in four chains, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    sums[i%4] += (x[i] - mean) * (x[i] - mean)")
	parameters(c, []string{"x", "n"}, x, n)
	mean := reg.Y9
	c.VBROADCASTSD(operand.NewParamAddr("mean", 16), mean)
	c.MOVQ(operand.NewParamAddr("sums", 24), sums)
	c.VMOVUPD(mem(sums, 0), total)
	numbers(c, x, n, 2, func(_ int, value reg.VecPhysical) {
		c.VSUBPD(mean, value, value)
		c.VMULPD(value, value, value)
		c.VADDPD(value, total, total)
	}, func() {})
	c.VMOVUPD(total, mem(sums, 0))
	finish(c)

	plainFunction(c, "addAVX2", "func(sums *float64, x *float32, n int)",
		"adds n numbers to as many sums, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    sums[i] += x[i]")
	parameters(c, []string{"sums", "x", "n"}, sums, x, n)
	numbers(c, x, n, 2, func(g int, value reg.VecPhysical) {
		c.VADDPD(mem(sums, 32*g), value, value)
		c.VMOVUPD(value, mem(sums, 32*g))
	}, func() { c.ADDQ(imm(64), sums) })
	finish(c)
}

// doubleMaps emits what makes a row of another.
func doubleMaps(c *build.Context) {
	dst, x, n := reg.RDI, reg.RSI, reg.RCX
	plainFunction(c, "normsAVX2", "func(dst, x *float32, n int, square, cross, constant float64)",
		"writes square roots of a quadratic form, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    dst[i] = sqrt(max(x[i]*x[i]*square + 2*x[i]*cross + constant, 0))")
	parameters(c, []string{"dst", "x", "n"}, dst, x, n)
	square, cross, constant, zero := reg.Y8, reg.Y9, reg.Y10, reg.Y11
	c.VBROADCASTSD(operand.NewParamAddr("square", 24), square)
	c.VBROADCASTSD(operand.NewParamAddr("cross", 32), cross)
	c.VBROADCASTSD(operand.NewParamAddr("constant", 40), constant)
	avx2.zero(c, zero)
	numbers(c, x, n, 2, func(g int, value reg.VecPhysical) {
		first := avx2.regs[2+g]
		c.VMULPD(value, value, first)
		c.VMULPD(square, first, first)
		c.VADDPD(value, value, value)
		c.VMULPD(cross, value, value)
		c.VADDPD(value, first, first)
		c.VADDPD(constant, first, first)
		c.VMAXPD(zero, first, first)
		c.VSQRTPD(first, first)
		c.VCVTPD2PSY(first, first.AsX())
		c.VMOVUPS(first.AsX(), mem(dst, 16*g))
	}, func() { c.ADDQ(imm(32), dst) })
	finish(c)

	plainFunction(c, "distancesAVX2", "func(dst, x *float32, n int, mean float64)",
		"writes distances from a number, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    dst[i] = |x[i] - mean|")
	parameters(c, []string{"dst", "x", "n"}, dst, x, n)
	mean, size := reg.Y8, reg.Y9
	c.VBROADCASTSD(operand.NewParamAddr("mean", 24), mean)
	c.VPCMPEQD(size, size, size)
	c.VPSRLQ(operand.U8(1), size, size)
	numbers(c, x, n, 2, func(g int, value reg.VecPhysical) {
		c.VSUBPD(mean, value, value)
		c.VANDPD(size, value, value)
		c.VCVTPD2PSY(value, value.AsX())
		c.VMOVUPS(value.AsX(), mem(dst, 16*g))
	}, func() { c.ADDQ(imm(32), dst) })
	finish(c)

	plainFunction(c, "binsAVX2", "func(dst *uint16, x *float32, n int, origin, scale float64)",
		"writes in which bins of equal width numbers are, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    dst[i] = trunc((x[i] - origin) * scale)")
	parameters(c, []string{"dst", "x", "n"}, dst, x, n)
	origin, scale := reg.Y8, reg.Y9
	c.VBROADCASTSD(operand.NewParamAddr("origin", 24), origin)
	c.VBROADCASTSD(operand.NewParamAddr("scale", 32), scale)
	numbers(c, x, n, 2, func(_ int, value reg.VecPhysical) {
		c.VSUBPD(origin, value, value)
		c.VMULPD(scale, value, value)
		c.VCVTTPD2DQY(value, value.AsX())
	}, func() {
		c.VPACKUSDW(reg.X1, reg.X0, reg.X0)
		c.VMOVDQU(reg.X0, mem(dst, 0))
		c.ADDQ(imm(16), dst)
	})
	finish(c)
}

// doubleForms emits what is computed of the scores of a neuron's pairs on some images.
func doubleForms(c *build.Context) {
	const vectors = images / 4
	dst, x, row, heads := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	crosses, weight, products := avx2.regs[:vectors], avx2.regs[vectors], avx2.regs[vectors+1:]
	// multiply adds the products of n numbers at row and rows of x to crosses.
	multiply := func(label string, from, n reg.Register) {
		at := reg.RAX
		c.MOVQ(x, at)
		c.Label(label)
		c.VBROADCASTSD(mem(from, 0), weight)
		for i, cross := range crosses {
			p := products[i%len(products)]
			c.VMULPD(mem(at, 32*i), weight, p)
			c.VADDPD(p, cross, cross)
		}
		c.ADDQ(imm(8), from)
		c.ADDQ(operand.U32(images*8), at)
		c.DECQ(n)
		c.JNZ(operand.LabelRef(label))
	}
	plainFunction(c, "formsAVX2", "func(dst, x, gram *float64, heads int)",
		"writes quadratic forms of 32 images, whose scores x are [heads,32], with a", "symmetric gram [heads,heads], of which each product is there twice:", "",
		"	dst[i] = sum over h of x[h,i] * (2 * (sum over g < h of gram[h,g] * x[g,i]) + gram[h,h] * x[h,i])")
	parameters(c, []string{"dst", "x", "gram", "heads"}, dst, x, row, heads)
	head, from, own, left := reg.R8, reg.R9, reg.R10, reg.R11
	c.MOVQ(x, own)
	c.XORQ(head, head)
	for i := range vectors {
		avx2.zero(c, crosses[i])
		c.VMOVUPD(crosses[i], mem(dst, 32*i))
	}
	c.Label("head")
	for _, r := range crosses {
		avx2.zero(c, r)
	}
	c.MOVQ(row, from)
	c.MOVQ(head, left)
	c.TESTQ(left, left)
	c.JZ(operand.LabelRef("own"))
	multiply("others", from, left)
	c.Label("own")
	c.VBROADCASTSD(mem(from, 0), weight)
	s, p := products[0], products[1]
	for i, cross := range crosses {
		c.VMOVUPD(mem(own, 32*i), s)
		c.VADDPD(cross, cross, cross)
		c.VMULPD(s, weight, p)
		c.VADDPD(p, cross, cross)
		c.VMULPD(s, cross, cross)
		c.VADDPD(mem(dst, 32*i), cross, cross)
		c.VMOVUPD(cross, mem(dst, 32*i))
	}
	c.ADDQ(operand.U32(images*8), own)
	c.LEAQ(operand.Mem{Base: row, Index: heads, Scale: 8}, row)
	c.INCQ(head)
	c.CMPQ(head, heads)
	c.JL(operand.LabelRef("head"))
	finish(c)

	plainFunction(c, "combineAVX2", "func(dst, x, weights *float64, heads int)",
		"writes weighted sums of the scores x [heads,32] of 32 images:", "",
		"	dst[i] = sum over h of weights[h] * x[h,i]")
	parameters(c, []string{"dst", "x", "weights", "heads"}, dst, x, row, heads)
	for _, r := range crosses {
		avx2.zero(c, r)
	}
	multiply("all", row, heads)
	for i, r := range crosses {
		c.VMOVUPD(r, mem(dst, 32*i))
	}
	finish(c)
}

// doubleProducts emits what is computed of an image's scores and numbers of pairs.
func doubleProducts(c *build.Context) {
	x, p, n, sums := reg.RSI, reg.RDX, reg.RCX, reg.RDI
	plainFunction(c, "dotAVX2", "func(x *float32, p *float64, n int, sums *float64)",
		"adds products up in four chains, n a positive multiple of 8:", "",
		"	for i in 0..n:",
		"	    sums[i%4] += x[i] * p[i]")
	parameters(c, []string{"x", "p", "n", "sums"}, x, p, n, sums)
	total := reg.Y8
	c.VMOVUPD(mem(sums, 0), total)
	numbers(c, x, n, 2, func(g int, value reg.VecPhysical) {
		c.VMULPD(mem(p, 32*g), value, value)
		c.VADDPD(value, total, total)
	}, func() { c.ADDQ(imm(64), p) })
	c.VMOVUPD(total, mem(sums, 0))
	finish(c)

	plainFunction(c, "outsideAVX2", "func(x *float32, means, scales *float64, n int, low, high float64) int",
		"returns the first multiple of 8 from which on one of eight numbers is", "outside of a range, n a positive multiple of 8:", "",
		"	(x[i] - means[i]) * scales[i] < low || (x[i] - means[i]) * scales[i] > high", "",
		"n if there is none.")
	means, scales, at := reg.RDX, reg.RDI, reg.RAX
	parameters(c, []string{"x", "means", "scales", "n"}, x, means, scales, n)
	low, high := reg.Y8, reg.Y9
	c.VBROADCASTSD(operand.NewParamAddr("low", 32), low)
	c.VBROADCASTSD(operand.NewParamAddr("high", 40), high)
	c.XORQ(at, at)
	c.Label("group")
	for g := range 2 {
		value, below := avx2.regs[g], avx2.regs[2+g]
		c.VCVTPS2PD(operand.Mem{Base: x, Index: at, Scale: 4, Disp: 16 * g}, value)
		c.VSUBPD(operand.Mem{Base: means, Index: at, Scale: 8, Disp: 32 * g}, value, value)
		c.VMULPD(operand.Mem{Base: scales, Index: at, Scale: 8, Disp: 32 * g}, value, value)
		c.VCMPPD(operand.U8(17), low, value, below)
		c.VCMPPD(operand.U8(30), high, value, value)
		c.VORPD(below, value, value)
	}
	c.VORPD(reg.Y1, reg.Y0, reg.Y0)
	c.VTESTPD(reg.Y0, reg.Y0)
	c.JNZ(operand.LabelRef("found"))
	c.ADDQ(imm(8), at)
	c.CMPQ(at, n)
	c.JL(operand.LabelRef("group"))
	c.Label("found")
	c.Store(at, c.ReturnIndex(0))
	finish(c)
}
