package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pools emits the kernels of AvgPool2.
func pools(c *build.Context) {
	for _, v := range []isa{avx512, avx2} {
		plainFunction(c, "poolRow"+v.name, "func(dst, top, bottom *float32, pixels int)",
			"pools two rows of a block to pixels results:", "",
			"	dst[x,l] = ((top[2x,l] + top[2x+1,l]) + (bottom[2x,l] + bottom[2x+1,l])) / 4")
		dst, top, bottom, n := reg.RDI, reg.RSI, reg.RDX, reg.RCX
		for i, r := range []reg.Register{dst, top, bottom, n} {
			c.MOVQ(operand.NewParamAddr([]string{"dst", "top", "bottom", "pixels"}[i], 8*i), r)
		}
		quarter := v.regs[2]
		c.MOVL(operand.U32(0x3e800000), reg.EAX) // 1/4
		c.VMOVD(reg.EAX, reg.X2)
		c.VBROADCASTSS(reg.X2, quarter)
		c.Label("pixel")
		for part := range v.parts() {
			at := part * v.bytes
			c.VMOVUPS(mem(top, at), v.regs[0])
			c.VADDPS(mem(top, 64+at), v.regs[0], v.regs[0])
			c.VMOVUPS(mem(bottom, at), v.regs[1])
			c.VADDPS(mem(bottom, 64+at), v.regs[1], v.regs[1])
			c.VADDPS(v.regs[1], v.regs[0], v.regs[0])
			c.VMULPS(quarter, v.regs[0], v.regs[0])
			c.VMOVUPS(v.regs[0], mem(dst, at))
		}
		c.ADDQ(operand.U32(128), top)
		c.ADDQ(operand.U32(128), bottom)
		c.ADDQ(imm(64), dst)
		c.DECQ(n)
		c.JNZ(operand.LabelRef("pixel"))
		finish(c)
	}
}
