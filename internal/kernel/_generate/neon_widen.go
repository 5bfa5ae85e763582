package main

import (
	"fmt"
	"math"
)

// neonWiden emits the conversion of half precision on arm64. FCVTL would make signalling
// NaN quiet; this keeps every payload, as the table of plain Go does.
func neonWiden(a *neon) {
	a.table("widenConstants", []float64{
		0x1p112, math.Copysign(0, -1), math.Inf(1), float64(math.Float32frombits(31 << 23)),
	})
	a.function("widenNEON", "dst *float32, src *byte, n int", 24,
		"converts n numbers of half precision, n a multiple of 8:", "",
		"	dst[i] = FromBits(src[2i] + 256 src[2i+1])", "",
		"It reads eight before it writes them.")
	dst, src, n := "R0", "R1", "R2"
	a.parameters("dst src n", dst, src, n)
	rebias, sign, infinity, largest := vec(16), vec(17), vec(18), vec(19)
	a.op("MOVD", "$widenConstants<>(SB)", "R3")
	for _, v := range []vec{rebias, sign, infinity, largest} {
		a.op("VLD1R.P", "4(R3)", fmt.Sprintf("[%s]", v.s4()))
	}
	bits := func(name string, x, y, dst vec) {
		a.op(name, fmt.Sprintf("V%d.B16", int(y)), fmt.Sprintf("V%d.B16", int(x)), fmt.Sprintf("V%d.B16", int(dst)))
	}
	a.op("CBZ", n, "done")
	a.label("loop")
	a.op("VLD1.P", "16("+src+")", "[V0.H8]")
	a.op("VUSHLL", "$0", "V0.H4", "V1.S4")
	a.op("VUSHLL2", "$0", "V0.H8", "V2.S4")
	for half := range 2 {
		x, size, of, signs := vec(1+half), vec(3+half), vec(5+half), vec(7+half)
		a.comment("The exponent and fraction at their place, times 2^(127-15).")
		a.op("VSHL", "$17", x.s4(), size.s4())
		a.op("VUSHR", "$4", size.s4(), size.s4())
		a.word(0x4ea03c00|uint32(largest)<<16|uint32(size)<<5|uint32(of), "cmge v%d.4s, v%d.4s, v%d.4s", int(of), int(size), int(largest))
		a.mul(size, rebias, size)
		a.comment("The exponent of infinity and NaN; the sign.")
		bits("VAND", of, infinity, of)
		a.op("VSHL", "$16", x.s4(), signs.s4())
		bits("VAND", signs, sign, signs)
		bits("VORR", size, of, size)
		bits("VORR", size, signs, size)
	}
	a.storeAll(vecs(3, 2), dst, 0)
	a.op("ADD", number(32), dst)
	a.op("SUB", number(8), n)
	a.op("CBNZ", n, "loop")
	a.label("done")
	a.op("RET")
}
