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

// halves emits the conversions of 16-bit floats, 16 values a turn.
func halves(c *build.Context) {
	for _, v := range []isa{avx512, avx2} {
		size := v.bytes / 4 // values in a vector
		narrow := func(i int) reg.VecPhysical {
			if v.bytes == 64 {
				return avx2.regs[i]
			}
			return []reg.VecPhysical{reg.X0, reg.X1}[i]
		}
		start := func(name, signature, doc string) (dst, src, n reg.Register) {
			plainFunction(c, name+v.name, signature, doc)
			c.MOVQ(operand.NewParamAddr("dst", 0), reg.RDI)
			c.MOVQ(operand.NewParamAddr("src", 8), reg.RSI)
			c.MOVQ(operand.NewParamAddr("n", 16), reg.RCX)
			c.Label("loop")
			return reg.RDI, reg.RSI, reg.RCX
		}
		end := func(dst, src, n reg.Register, dstBytes, srcBytes int) {
			c.ADDQ(imm(16*dstBytes), dst)
			c.ADDQ(imm(16*srcBytes), src)
			c.SUBQ(imm(16), n)
			c.JNZ(operand.LabelRef("loop"))
			finish(c)
		}

		dst, src, n := start("float16ToFloat32", "func(dst *float32, src *byte, n int)", "converts n half floats, n a positive multiple of 16.")
		for i := range v.parts() {
			c.VCVTPH2PS(mem(src, i*size*2), v.regs[i])
			c.VMOVUPS(v.regs[i], mem(dst, i*size*4))
		}
		end(dst, src, n, 4, 2)

		dst, src, n = start("bfloat16ToFloat32", "func(dst *float32, src *byte, n int)", "converts n bfloat16 values, n a positive multiple of 16.")
		for i := range v.parts() {
			c.VPMOVZXWD(mem(src, i*size*2), v.regs[i])
			c.VPSLLD(operand.U8(16), v.regs[i], v.regs[i])
			c.VMOVUPS(v.regs[i], mem(dst, i*size*4))
		}
		end(dst, src, n, 4, 2)

		dst, src, n = start("float32ToFloat16", "func(dst *byte, src *float32, n int)", "converts n values to half floats, n a positive multiple of 16.")
		for i := range v.parts() {
			c.VMOVUPS(mem(src, i*size*4), v.regs[i])
			c.VCVTPS2PH(operand.U8(0), v.regs[i], narrow(i))
			c.VMOVUPS(narrow(i), mem(dst, i*size*2))
		}
		end(dst, src, n, 2, 4)
	}
}
