package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kernel.normArgs.
const (
	normDst      = 0
	normSrc      = 8
	normDstBlock = 16
	normSrcBlock = 24
	normBlocks   = 32
	normGamma    = 40
	normBeta     = 48
	normShare    = 56
	normEpsilon  = 60
)

// norms emits the kernels of LayerNorm.
func norms(c *build.Context) {
	for _, v := range []isa{avx512, avx2} {
		norm(c, v)
	}
}

// norm emits the normalisation of one pixel, in three passes over its blocks.
func norm(c *build.Context, v isa) {
	function(c, "layerNorm"+v.name, "normArgs",
		"normalises one pixel:", "",
		"	mean = sum of src[b,l] * share; b in 0..blocks, l in 0..16",
		"	scale = 1 / sqrt(sum of (src[b,l] - mean)^2 * share + epsilon)",
		"	dst[b,l] = (src[b,l] - mean) * scale * gamma[b,l] + beta[b,l]")
	args, src, dst, blocks, step, dstStep := reg.RDI, reg.RSI, reg.RDX, reg.RCX, reg.R8, reg.R9
	gamma, beta := reg.R10, reg.R11
	c.MOVQ(operand.NewParamAddr("args", 0), args)
	parts := v.parts()
	sums, mean, scale := v.regs[:parts], v.regs[4], v.regs[5]
	pass := func(label string, body func(part int)) {
		c.MOVQ(mem(args, normSrc), src)
		c.MOVQ(mem(args, normSrcBlock), step)
		c.MOVQ(mem(args, normBlocks), blocks)
		c.Label(label)
		for part := range parts {
			body(part)
		}
		c.ADDQ(step, src)
		if label == "apply" {
			c.ADDQ(dstStep, dst)
			c.ADDQ(imm(64), gamma)
			c.ADDQ(imm(64), beta)
		}
		c.DECQ(blocks)
		c.JNZ(operand.LabelRef(label))
	}
	// total puts the sum of all lanes into the first lane of X0.
	total := func() {
		c.Comment("Sum of the lanes.")
		if parts == 1 {
			c.VEXTRACTF64X4(operand.U8(1), reg.Z0, reg.Y1)
		}
		c.VADDPS(reg.Y1, reg.Y0, reg.Y0)
		c.VEXTRACTF128(operand.U8(1), reg.Y0, reg.X1)
		c.VADDPS(reg.X1, reg.X0, reg.X0)
		c.VHADDPS(reg.X0, reg.X0, reg.X0)
		c.VHADDPS(reg.X0, reg.X0, reg.X0)
		c.VMULSS(mem(args, normShare), reg.X0, reg.X0)
	}
	for _, r := range sums {
		v.zero(c, r)
	}
	pass("mean", func(part int) { c.VADDPS(mem(src, part*v.bytes), sums[part], sums[part]) })
	total()
	c.VBROADCASTSS(reg.X0, mean)
	for _, r := range sums {
		v.zero(c, r)
	}
	pass("variance", func(part int) {
		c.VMOVUPS(mem(src, part*v.bytes), v.regs[2])
		c.VSUBPS(mean, v.regs[2], v.regs[2])
		c.VFMADD231PS(v.regs[2], v.regs[2], sums[part])
	})
	total()
	c.VADDSS(mem(args, normEpsilon), reg.X0, reg.X0)
	c.VSQRTSS(reg.X0, reg.X0, reg.X0)
	c.MOVL(operand.U32(0x3f800000), reg.EAX) // 1
	c.VMOVD(reg.EAX, reg.X1)
	c.VDIVSS(reg.X0, reg.X1, reg.X0)
	c.VBROADCASTSS(reg.X0, scale)
	c.MOVQ(mem(args, normDst), dst)
	c.MOVQ(mem(args, normDstBlock), dstStep)
	c.MOVQ(mem(args, normGamma), gamma)
	c.MOVQ(mem(args, normBeta), beta)
	pass("apply", func(part int) {
		at := part * v.bytes
		c.VMOVUPS(mem(src, at), v.regs[2])
		c.VSUBPS(mean, v.regs[2], v.regs[2])
		c.VMULPS(scale, v.regs[2], v.regs[2])
		c.VMOVUPS(mem(beta, at), v.regs[3])
		c.VFMADD231PS(mem(gamma, at), v.regs[2], v.regs[3])
		c.VMOVUPS(v.regs[3], mem(dst, at))
	})
	finish(c)
}
