package main

import (
	"fmt"
	"go/token"
	"go/types"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lanes is kernel.Lanes: the channels of a block, 64 bytes.
const lanes = 16

// isa is a vector instruction set: its registers and everything that depends on their
// size.
type isa struct {
	name  string // suffix of the functions' names
	bytes int    // size of a vector
	regs  []reg.VecPhysical
}

var (
	avx512 = isa{"AVX512", 64, []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}}
	avx2 = isa{"AVX2", 32, []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
	}}
)

// parts is the number of vectors in a block of lanes.
func (v isa) parts() int { return lanes * 4 / v.bytes }

// zero clears a register.
func (v isa) zero(c *build.Context, r operand.Op) {
	if v.bytes == 64 {
		c.VPXORQ(r, r, r)
		return
	}
	c.VXORPS(r, r, r)
}

// mem returns the operand disp(base).
func mem(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

// imm returns a constant operand.
func imm(n int) operand.Constant {
	if n >= -128 && n < 128 {
		return operand.I8(n)
	}
	return operand.I32(n)
}

// align makes a loop start at a cache line.
func align(c *build.Context) {
	c.Instruction(&ir.Instruction{Opcode: "PCALIGN", Operands: []operand.Op{operand.U8(64)}})
}

// kernelPackage represents package kernel in signatures.
var kernelPackage = types.NewPackage("kernel", "kernel")

// function starts a kernel that takes a pointer to the named argument type.
// The first line of doc follows the name.
func function(c *build.Context, name, argument string, doc ...string) {
	c.Function(name)
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	doc[0] = fmt.Sprintf("%s %s", name, doc[0])
	c.Doc(doc...)
	named := types.NewNamed(types.NewTypeName(token.NoPos, kernelPackage, argument, nil), types.NewStruct(nil, nil), nil)
	param := types.NewVar(token.NoPos, kernelPackage, "args", types.NewPointer(named))
	sig := types.NewSignatureType(nil, nil, nil, types.NewTuple(param), nil, false)
	c.Signature(gotypes.NewSignature(kernelPackage, sig))
}

// plainFunction starts a kernel with a signature of builtin types.
func plainFunction(c *build.Context, name, signature string, doc ...string) {
	c.Function(name)
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	doc[0] = fmt.Sprintf("%s %s", name, doc[0])
	c.Doc(doc...)
	c.SignatureExpr(signature)
}

// finish ends a kernel.
func finish(c *build.Context) {
	c.VZEROUPPER()
	c.RET()
}

// evex is an instruction on three 512-bit registers that Go's assembler does not have:
// its mandatory prefix (2 for F3, 3 for F2) and its opcode in the map 0F38.
type evex struct{ prefix, opcode uint32 }

var (
	vdpbf16ps      = evex{2, 0x52} // dst += the sums of the products of pairs
	vcvtne2ps2bf16 = evex{3, 0x72} // dst = b rounded, a rounded (upper half)
)

// encode emits the bytes of an instruction, with operands in the order of Go's assembler:
// b is the last source, dst the destination. The EVEX prefix holds the upper bits of
// register numbers inverted.
func encode(c *build.Context, e evex, b, a, dst reg.VecPhysical) {
	number := func(r reg.VecPhysical) uint32 { return uint32(r.PhysicalIndex()) }
	not := func(n uint32, bit int) uint32 { return ^n >> bit & 1 }
	d, s, m := number(dst), number(a), number(b)
	p0 := not(d, 3)<<7 | not(m, 4)<<6 | not(m, 3)<<5 | not(d, 4)<<4 | 2
	p1 := ^s&15<<3 | 1<<2 | e.prefix
	p2 := 2<<5 | not(s, 4)<<3
	modrm := 3<<6 | d&7<<3 | m&7
	c.Instruction(&ir.Instruction{Opcode: "LONG", Operands: []operand.Op{operand.U32(0x62 | p0<<8 | p1<<16 | p2<<24)}})
	c.Instruction(&ir.Instruction{Opcode: "WORD", Operands: []operand.Op{operand.U16(e.opcode | modrm<<8)}})
}
