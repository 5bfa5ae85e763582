package main

import "fmt"

// neonMatrices emits the kernels of Sgemm on arm64 other than the tiles.
func neonMatrices(a *neon) {
	neonTranspose(a)
	neonAddRows(a, false)
	neonAddRows(a, true)
}

// neonTranspose emits the transposition of blocks of eight rows by four columns.
func neonTranspose(a *neon) {
	a.function("transposeNEON", "dst, src *float32, dstRow, srcRow, rows, columns int", 48,
		"transposes a matrix whose sides are positive multiples of 8; dstRow",
		"and srcRow are the distances between rows in bytes:", "",
		"	for r in 0..rows, j in 0..columns:",
		"	    dst[j,r] = src[r,j]")
	dst, src, dstRow, srcRow, rows, columns := "R0", "R1", "R2", "R3", "R4", "R5"
	from, to, left, line, first := "R6", "R7", "R8", "R9", "R10"
	a.parameters("dst src dstRow srcRow rows columns", dst, src, dstRow, srcRow, rows, columns)
	a.label("rows")
	a.op("MOVD", src, first)
	a.op("MOVD", dst, to)
	a.op("MOVD", columns, left)
	a.label("columns")
	a.op("MOVD", first, from)
	in, pairs, out := vecs(0, 8), vecs(8, 8), vecs(16, 8)
	for _, v := range in {
		a.load(from, 0, v)
		a.op("ADD", srcRow, from)
	}
	a.comment("Combine pairs of rows, then fours.")
	trn := func(which int, lanes string, x, y, dst vec) {
		a.op(fmt.Sprintf("VTRN%d", which), fmt.Sprintf("V%d.%s", int(y), lanes), fmt.Sprintf("V%d.%s", int(x), lanes), fmt.Sprintf("V%d.%s", int(dst), lanes))
	}
	for i := 0; i < 8; i += 2 {
		trn(1, "S4", in[i], in[i+1], pairs[i])
		trn(2, "S4", in[i], in[i+1], pairs[i+1])
	}
	// out[2j] and out[2j+1] are the halves of column j.
	for half := range 2 {
		p := pairs[half*4:]
		trn(1, "D2", p[0], p[2], out[half])
		trn(1, "D2", p[1], p[3], out[2+half])
		trn(2, "D2", p[0], p[2], out[4+half])
		trn(2, "D2", p[1], p[3], out[6+half])
	}
	a.op("MOVD", to, line)
	for j := range 4 {
		a.storeAll(out[2*j:][:2], line, 0)
		a.op("ADD", dstRow, line)
	}
	a.op("MOVD", line, to)
	a.op("ADD", number(16), first)
	a.op("SUB", number(4), left)
	a.op("CBNZ", left, "columns")
	a.op("ADD", srcRow+"<<3", src)
	a.op("ADD", number(32), dst)
	a.op("SUB", number(8), rows)
	a.op("CBNZ", rows, "rows")
	a.op("RET")
}

// neonAddRows emits the product of a row with an unpacked matrix, which may be in half precision.
func neonAddRows(a *neon, half bool) {
	doc := []string{
		"adds k rows of b, at distances of bRow bytes, to y, n a positive",
		"multiple of 16:", "",
		"	for p in 0..k, j in 0..n:",
		"	    y[j] += a[p] * b[p,j]", "",
	}
	each := 16 // bytes of a vector of b
	if half {
		each = 8
		a.function("addHalfRowsNEON", "y, a *float32, b *uint16, bRow, k, n int", 48,
			append(doc, "with the sum over p in order, as in the tile kernels. b is in half", "precision.")...)
	} else {
		a.function("addRowsNEON", "y, a, b *float32, bRow, k, n int", 48,
			append(doc, "with the sum over p in order, as in the tile kernels.")...)
	}
	y, x, b, bRow, k, n := "R0", "R1", "R2", "R3", "R4", "R5"
	line, value, left := "R6", "R7", "R8"
	a.parameters("y a b bRow k n", y, x, b, bRow, k, n)
	block := func(label string, vectors int) {
		sums, by := vecs(0, vectors), vec(vectors)
		a.loadAll(y, 0, sums)
		a.op("MOVD", b, line)
		a.op("MOVD", x, value)
		a.op("MOVD", k, left)
		a.label(label)
		a.op("FMOVS.P", at(value, 4), by)
		for i := 0; i < vectors; i += 4 {
			row := vecs(vectors+1+i%8, 4)
			if half {
				pair := vecs(25+i%8/2, 2)
				a.loadAll(line, i*each, pair)
				for j, v := range row { // each half of a pair in turn
					upper, name, lanes := uint32(j%2)<<30, []string{"fcvtl", "fcvtl2"}[j%2], []string{"4h", "8h"}[j%2]
					a.word(0x0e217800|upper|uint32(pair[j/2])<<5|uint32(v), "%s v%d.4s, v%d.%s", name, int(v), int(pair[j/2]), lanes)
				}
			} else {
				a.loadAll(line, i*each, row)
			}
			for j, v := range row {
				a.fmaLane(v, lane{by, 0}, sums[i+j])
			}
		}
		a.op("ADD", bRow, line)
		a.op("SUB", number(1), left)
		a.op("CBNZ", left, label)
		a.storeAll(sums, y, 0)
		a.op("ADD", number(vectors*16), y)
		a.op("ADD", number(vectors*each), b)
		a.op("SUB", number(vectors*4), n)
	}
	const wide = 4 * quarters // vectors of y that are summed at a time
	a.label("wide")
	a.op("CMP", number(wide*4), n)
	a.op("BLT", "narrow")
	block("wideRows", wide)
	a.op("B", "wide")
	a.label("narrow")
	a.op("CBZ", n, "done")
	block("narrowRows", quarters)
	a.op("B", "narrow")
	a.label("done")
	a.op("RET")
}
