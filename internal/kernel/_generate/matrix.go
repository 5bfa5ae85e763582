package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// matrices emits the kernels of Sgemm other than the tiles.
func matrices(c *build.Context) {
	transpose(c)
	for _, v := range []isa{avx512, avx2} {
		addRows(c, v, fusedRows)
		addRows(c, v, separateRows)
		addRows(c, v, halfRows)
	}
}

// transpose emits the transposition of 8x8 blocks in 256-bit registers, which is used on
// AVX-512 machines too.
func transpose(c *build.Context) {
	plainFunction(c, "transposeAVX2", "func(dst, src *float32, dstRow, srcRow, rows, columns int)",
		"transposes a matrix whose sides are positive multiples of 8; dstRow",
		"and srcRow are the distances between rows in bytes:", "",
		"	for r in 0..rows, j in 0..columns:",
		"	    dst[j,r] = src[r,j]")
	dst, src, dstRow, srcRow, rows, columns := reg.RDI, reg.RSI, reg.R8, reg.R9, reg.RCX, reg.RDX
	for i, r := range []reg.Register{dst, src, dstRow, srcRow, rows, columns} {
		c.MOVQ(operand.NewParamAddr([]string{"dst", "src", "dstRow", "srcRow", "rows", "columns"}[i], 8*i), r)
	}
	from, to, left, srcRow3, dstRow3, half := reg.RAX, reg.RBX, reg.R10, reg.R11, reg.R12, reg.R13
	c.LEAQ(operand.Mem{Base: srcRow, Index: srcRow, Scale: 2}, srcRow3)
	c.LEAQ(operand.Mem{Base: dstRow, Index: dstRow, Scale: 2}, dstRow3)
	// row is row i of the eight rows at base; half is the address of the fifth.
	row := func(base, step, step3 reg.Register, i int) operand.Mem {
		m := operand.Mem{Base: base}
		if i >= 4 {
			m.Base = half
		}
		switch i % 4 {
		case 1, 2:
			m.Index, m.Scale = step, uint8(i%4)
		case 3:
			m.Index, m.Scale = step3, 1
		}
		return m
	}
	a, b := avx2.regs[:8], avx2.regs[8:]
	c.Label("rows")
	c.MOVQ(src, from)
	c.MOVQ(dst, to)
	c.MOVQ(columns, left)
	c.Label("columns")
	c.LEAQ(operand.Mem{Base: from, Index: srcRow, Scale: 4}, half)
	for i := range 8 {
		c.VMOVUPS(row(from, srcRow, srcRow3, i), a[i])
	}
	c.Comment("Combine pairs of rows, then fours, then eights.")
	for i := 0; i < 8; i += 2 {
		c.VUNPCKLPS(a[i+1], a[i], b[i])
		c.VUNPCKHPS(a[i+1], a[i], b[i+1])
	}
	for i := 0; i < 8; i += 4 {
		c.VSHUFPS(operand.U8(0x44), b[i+2], b[i], a[i])
		c.VSHUFPS(operand.U8(0xee), b[i+2], b[i], a[i+1])
		c.VSHUFPS(operand.U8(0x44), b[i+3], b[i+1], a[i+2])
		c.VSHUFPS(operand.U8(0xee), b[i+3], b[i+1], a[i+3])
	}
	for i := range 4 {
		c.VPERM2F128(operand.U8(0x20), a[i+4], a[i], b[i])
		c.VPERM2F128(operand.U8(0x31), a[i+4], a[i], b[i+4])
	}
	c.LEAQ(operand.Mem{Base: to, Index: dstRow, Scale: 4}, half)
	for i := range 8 {
		c.VMOVUPS(b[i], row(to, dstRow, dstRow3, i))
	}
	c.ADDQ(imm(32), from)
	c.LEAQ(operand.Mem{Base: to, Index: dstRow, Scale: 8}, to)
	c.SUBQ(imm(8), left)
	c.JNZ(operand.LabelRef("columns"))
	c.LEAQ(operand.Mem{Base: src, Index: srcRow, Scale: 8}, src)
	c.ADDQ(imm(32), dst)
	c.SUBQ(imm(8), rows)
	c.JNZ(operand.LabelRef("rows"))
	finish(c)
}

// rowsKind is a kind of product of a row with an unpacked matrix.
type rowsKind int

const (
	fusedRows    rowsKind = iota // products are rounded once, with their sum
	separateRows                 // products are rounded by themselves too, as Go compiles them
	halfRows                     // as fusedRows, of a matrix in half precision
)

// addRows emits the product of a row with an unpacked matrix.
func addRows(c *build.Context, v isa, kind rowsKind) {
	// Numbers of vectors of y that are summed at a time, largest first. Eight chains of sums
	// keep both multipliers busy; heads of 64 channels have four vectors.
	groups := []int{8, 4, 1}
	name, of, bytes := "addRows", "float32", v.bytes
	doc := []string{
		"adds k rows of b, at distances of bRow bytes, to y, n a positive",
		"multiple of 16:", "",
		"	for p in 0..k, j in 0..n:",
		"	    y[j] += a[p] * b[p,j]", "",
	}
	switch kind {
	case fusedRows:
		doc = append(doc, "with the sum over p in order, as in the tile kernels.")
	case separateRows:
		name = "sumRows"
		doc = append(doc, "with the sum over p in order, and products rounded before they are added.")
	case halfRows:
		name, of, bytes = "addHalfRows", "uint16", v.bytes/2
		doc = append(doc, "with the sum over p in order, as in the tile kernels. b is in half", "precision.")
	}
	plainFunction(c, name+v.name, "func(y, a *float32, b *"+of+", bRow, k, n int)", doc...)
	y, a, b, bRow, k, n := reg.RDI, reg.RSI, reg.RDX, reg.R8, reg.R9, reg.RCX
	for i, r := range []reg.Register{y, a, b, bRow, k, n} {
		c.MOVQ(operand.NewParamAddr([]string{"y", "a", "b", "bRow", "k", "n"}[i], 8*i), r)
	}
	at, left, index := reg.RAX, reg.R10, reg.R11
	value, product := v.regs[groups[0]], v.regs[groups[0]+1:] // products in turn, so that they overlap
	block := func(label string, vectors int) {
		for i := range vectors {
			c.VMOVUPS(mem(y, i*v.bytes), v.regs[i])
		}
		c.MOVQ(b, at)
		c.XORQ(index, index)
		c.Label(label)
		c.VBROADCASTSS(operand.Mem{Base: a, Index: index, Scale: 4}, value)
		for i := range vectors {
			switch next := product[i%4]; kind {
			case fusedRows:
				c.VFMADD231PS(mem(at, i*bytes), value, v.regs[i])
			case separateRows:
				c.VMULPS(mem(at, i*bytes), value, next)
				c.VADDPS(next, v.regs[i], v.regs[i])
			case halfRows:
				c.VCVTPH2PS(mem(at, i*bytes), next)
				c.VFMADD231PS(next, value, v.regs[i])
			}
		}
		c.ADDQ(bRow, at)
		c.INCQ(index)
		c.CMPQ(index, k)
		c.JL(operand.LabelRef(label))
		for i := range vectors {
			c.VMOVUPS(v.regs[i], mem(y, i*v.bytes))
		}
		c.ADDQ(imm(vectors*v.bytes), y)
		c.ADDQ(imm(vectors*bytes), b)
	}
	c.MOVQ(n, left)
	for i, vectors := range groups {
		group, next := fmt.Sprintf("group%d", vectors), "done"
		if i+1 < len(groups) {
			next = fmt.Sprintf("group%d", groups[i+1])
		}
		c.Label(group)
		c.CMPQ(left, imm(vectors*v.bytes/4))
		c.JL(operand.LabelRef(next))
		block(fmt.Sprintf("rows%d", vectors), vectors)
		c.SUBQ(imm(vectors*v.bytes/4), left)
		c.JMP(operand.LabelRef(group))
	}
	c.Label("done")
	finish(c)
}
