package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kernel.softmaxArgs.
const (
	softmaxX      = 0
	softmaxBlock  = 8
	softmaxBlocks = 16
)

// softmaxPixel emits the softmax of one pixel, in three passes over its blocks.
func (e *exponential) softmaxPixel() {
	c, v := e.c, e.v
	function(c, "softmaxPixel"+v.name, "softmaxArgs",
		"replaces the values of one pixel by their softmax:", "",
		"	top = max of x[b,l]; b in 0..blocks, l in 0..16",
		"	x[b,l] = exp(x[b,l] - top) / sum of exp(x[b,l] - top)", "",
		"The maximum may ignore a NaN.")
	args, x, block, blocks := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	c.MOVQ(operand.NewParamAddr("args", 0), args)
	c.MOVQ(mem(args, softmaxBlock), block)
	e.load(8)
	parts, last := v.parts(), len(v.regs)-1
	shift, sums := v.regs[last], v.regs[last-2:last]
	r := v.regs
	pass := func(label string, body func(part int)) {
		c.MOVQ(mem(args, softmaxX), x)
		c.MOVQ(mem(args, softmaxBlocks), blocks)
		c.Label(label)
		for part := range parts {
			body(part)
		}
		c.ADDQ(block, x)
		c.DECQ(blocks)
		c.JNZ(operand.LabelRef(label))
	}
	// fold combines the lanes of the first registers in the first lane of X0.
	fold := func(combine func(a, b, dst operand.Op)) {
		if parts == 1 {
			c.VEXTRACTF64X4(operand.U8(1), reg.Z0, reg.Y1)
		}
		combine(reg.Y1, reg.Y0, reg.Y0)
		c.VEXTRACTF128(operand.U8(1), reg.Y0, reg.X1)
		combine(reg.X1, reg.X0, reg.X0)
		for _, swapped := range []uint8{0x4e, 0xb1} { // halves, neighbours
			c.VPERMILPS(operand.U8(swapped), reg.X0, reg.X1)
			combine(reg.X1, reg.X0, reg.X0)
		}
	}
	c.MOVQ(mem(args, softmaxX), x)
	for part := range parts {
		c.VMOVUPS(mem(x, part*v.bytes), r[part])
	}
	pass("top", func(part int) { c.VMAXPS(mem(x, part*v.bytes), r[part], r[part]) })
	c.Comment("Largest of the lanes.")
	fold(func(a, b, dst operand.Op) { c.VMAXPS(a, b, dst) })
	c.VBROADCASTSS(reg.X0, shift)
	for part := range parts {
		v.zero(c, sums[part])
	}
	pass("exp", func(part int) {
		s := r[4*part:]
		c.VMOVUPS(mem(x, part*v.bytes), s[0])
		c.VSUBPS(shift, s[0], s[0])
		e.exp(s[0], s[1], s[2], s[3])
		c.VADDPS(s[0], sums[part], sums[part])
		c.VMOVUPS(s[0], mem(x, part*v.bytes))
	})
	c.Comment("One by the sum of the lanes.")
	for part := range parts {
		c.VMOVAPS(sums[part], r[part])
	}
	fold(func(a, b, dst operand.Op) { c.VADDPS(a, b, dst) })
	c.MOVL(operand.U32(0x3f800000), reg.EAX) // 1
	c.VMOVD(reg.EAX, reg.X1)
	c.VDIVSS(reg.X0, reg.X1, reg.X0)
	c.VBROADCASTSS(reg.X0, shift)
	pass("scale", func(part int) {
		c.VMULPS(mem(x, part*v.bytes), shift, r[part])
		c.VMOVUPS(r[part], mem(x, part*v.bytes))
	})
	finish(c)
}
