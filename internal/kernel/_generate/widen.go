package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// widen emits the conversion of half precision on amd64. VCVTPH2PS would make signalling NaN
// quiet; this keeps every payload, as the table of plain Go does.
func widen(c *build.Context) {
	plainFunction(c, "widenAVX2", "func(dst *float32, src *byte, n int)",
		"converts n numbers of half precision, n a positive multiple of 8:", "",
		"	dst[i] = FromBits(src[2i] + 256 src[2i+1])", "",
		"It reads eight before it writes them.")
	dst, src, n := reg.RDI, reg.RSI, reg.RCX
	parameters(c, []string{"dst", "src", "n"}, dst, src, n)
	rebias, sign, infinity, largest := reg.Y4, reg.Y5, reg.Y6, reg.Y7
	for _, constant := range []struct {
		bits uint32
		x    reg.Register
		y    reg.VecPhysical
	}{{(127 + 112) << 23, reg.X4, rebias}, {1 << 31, reg.X5, sign}, {255 << 23, reg.X6, infinity}, {31<<23 - 1, reg.X7, largest}} {
		c.MOVL(operand.U32(constant.bits), reg.EAX)
		c.VMOVD(reg.EAX, constant.x)
		c.VPBROADCASTD(constant.x, constant.y)
	}
	bits, size, of := reg.Y0, reg.Y1, reg.Y2
	c.Label("loop")
	c.VPMOVZXWD(mem(src, 0), bits)
	c.Comment("The exponent and fraction at their place, times 2^(127-15).")
	c.VPSLLD(operand.U8(17), bits, size)
	c.VPSRLD(operand.U8(4), size, size)
	c.VPCMPGTD(largest, size, of)
	c.VMULPS(rebias, size, size)
	c.Comment("The exponent of infinity and NaN; the sign.")
	c.VPAND(infinity, of, of)
	c.VPSLLD(operand.U8(16), bits, bits)
	c.VPAND(sign, bits, bits)
	c.VPOR(of, size, size)
	c.VPOR(bits, size, size)
	c.VMOVUPS(size, mem(dst, 0))
	c.ADDQ(imm(16), src)
	c.ADDQ(imm(32), dst)
	c.SUBQ(imm(8), n)
	c.JNZ(operand.LabelRef("loop"))
	finish(c)
}
