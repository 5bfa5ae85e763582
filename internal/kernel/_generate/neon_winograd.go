package main

import "fmt"

// neonWinograd emits the transforms of F(2x2) and F(4x4) on arm64.
func neonWinograd(a *neon) {
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.value
	}
	a.table("winogradPoints", values)
	for _, m := range []int{2, 4} {
		w := neonTransform{neon: a, m: m, n: m + 2}
		w.input()
		w.output()
	}
}

// neonTransform emits the transforms for tiles of m x m outputs, n x n inputs, which
// handle four lanes of a block at a time.
type neonTransform struct {
	*neon
	m, n      int
	constants []vec // the points, four in each
}

// neonLine names the rows' address registers.
var neonLine = []string{"R1", "R2", "R3", "R4", "R5", "R6"}

// hold loads the points into registers from first on; F(2x2) has none.
func (w *neonTransform) hold(first vec) {
	if w.m == 2 {
		return
	}
	w.constants = vecs(int(first), (len(points)+3)/4)
	w.op("MOVD", "$winogradPoints<>(SB)", "R16")
	w.loadAll("R16", 0, w.constants)
}

// point is the lane that holds a point.
func (w *neonTransform) point(name string) lane {
	for i, p := range points {
		if p.name == name {
			return lane{w.constants[i/4], i % 4}
		}
	}
	panic("no point " + name)
}

// eachQuarter runs body once per quarter of a block: the addresses in registers advance
// by a vector within the block, and by what step says after it.
func (w *neonTransform) eachQuarter(registers []string, body, step func()) {
	const turn = "R14"
	w.label("block")
	w.op("MOVD", number(quarters), turn)
	w.label("quarter")
	body()
	w.comment("The next quarter of the block.")
	for _, r := range registers {
		w.op("ADD", number(16), r)
	}
	w.op("SUB", number(1), turn)
	w.op("CBNZ", turn, "quarter")
	for _, r := range registers {
		w.op("SUB", number(lanes*4), r)
	}
	step()
	w.op("SUB", number(1), "R9")
	w.op("CBNZ", "R9", "block")
	w.op("RET")
}

// advance adds an offset among the arguments to a register.
func (w *neonTransform) advance(offset int, register string) {
	w.op("MOVD", at("R0", offset), "R16")
	w.op("ADD", "R16", register)
}

// input emits the transform of a tile of inputs.
func (w *neonTransform) input() {
	n := w.n
	w.function(fmt.Sprintf("winogradIn%dNEON", w.m), "args *winogradIn", 8,
		fmt.Sprintf("transforms a %dx%d tile of inputs for F(%dx%d, 3x3):", n, n, w.m, w.m), "",
		"	for b in 0..blocks, l in 0..16:",
		fmt.Sprintf("	    d[r,c] = rows[r][b,c-1,l] if columns has bit c, else 0; r, c in 0..%d", n),
		"	    dst[i,j][b,l] = (B^T d B)[i,j]")
	args, dst, tap, blocks, work, to, columns := "R0", "R7", "R8", "R9", "R10", "R11", "R13"
	w.parameters("args", args)
	for r := range n {
		w.op("MOVD", at(args, inRows+8*r), neonLine[r])
	}
	w.op("MOVD", at(args, inDst), dst)
	w.op("MOVD", at(args, inTap), tap)
	w.op("MOVD", at(args, inBlocks), blocks)
	w.op("MOVD", at(args, inWork), work)
	w.op("MOVD", at(args, inColumns), columns)
	w.hold(16)
	place := func(i, j int) int { return (i*n + j) * 16 }
	d := vecs(0, n)
	moving := append([]string{dst}, neonLine[:n]...)
	w.eachQuarter(moving, func() {
		for col := range n {
			w.comment("Column %d, zero outside the map.", col)
			outside, ready := fmt.Sprintf("outside%d", col), fmt.Sprintf("ready%d", col)
			w.op("TBZ", number(col), columns, outside)
			for r := range n {
				w.load(neonLine[r], (col-1)*lanes*4, d[r])
			}
			w.inputLine(d, func(i int, v vec) { w.store(v, work, place(i, col)) })
			w.op("B", ready)
			w.label(outside)
			w.zero(d[0])
			for i := range n {
				w.store(d[0], work, place(i, col))
			}
			w.label(ready)
		}
		w.op("MOVD", dst, to)
		for i := range n {
			w.comment("Row %d.", i)
			w.loadAll(work, place(i, 0), d)
			w.inputLine(d, func(j int, v vec) {
				w.store(v, to, 0)
				w.op("ADD", tap, to)
			})
		}
	}, func() {
		for r := range n {
			w.advance(inStep+8*r, neonLine[r])
		}
		w.advance(inBlock, dst)
	})
}

// inputLine emits B^T d for one line, as inputLine of x86 does, and passes the results,
// in order, to store. It may overwrite d and the registers after it.
func (w *neonTransform) inputLine(d []vec, store func(i int, v vec)) {
	t := vecs(len(d), 6)
	if w.m == 2 {
		w.sub(d[0], d[2], t[0])
		w.add(d[2], d[1], t[1])
		w.sub(d[2], d[1], t[2])
		w.sub(d[1], d[3], t[3])
		for i := range 4 {
			store(i, t[i])
		}
		return
	}
	evenA, oddA, evenB, oddB, a, b := t[0], t[1], t[2], t[3], t[4], t[5]
	for _, s := range []struct {
		from, with int
		factor     string
		to         vec
	}{{4, 2, "-2", evenA}, {3, 1, "-2", oddA}, {4, 2, "-1/2", evenB}, {3, 1, "-1/2", oddB}} {
		w.move(d[s.from], s.to)
		w.fmaLane(d[s.with], w.point(s.factor), s.to)
	}
	w.add(d[0], d[4], d[0])
	w.fmaLane(d[2], w.point("-5/2"), d[0])
	w.add(d[5], d[1], d[5])
	w.fmaLane(d[3], w.point("-5/2"), d[5])
	w.move(evenA, a)
	w.fmaLane(oddA, w.point("a"), a)
	w.fmsLane(oddA, w.point("a"), evenA)
	w.move(evenB, b)
	w.fmaLane(oddB, w.point("b"), b)
	w.fmsLane(oddB, w.point("b"), evenB)
	for i, v := range []vec{d[0], a, evenA, b, evenB, d[5]} {
		store(i, v)
	}
}

// output emits the transform of a tile of products.
func (w *neonTransform) output() {
	m, n := w.m, w.n
	w.function(fmt.Sprintf("winogradOut%dNEON", m), "args *winogradOut", 8,
		fmt.Sprintf("transforms the products of a tile to %dx%d outputs:", m, m), "",
		"	for b in 0..blocks, l in 0..16:",
		fmt.Sprintf("	    y = A^T src[.,.][b,l] A + bias[b,l]; src is %dx%d", n, n),
		fmt.Sprintf("	    for r, c in 0..%d if columns has bit c:", m),
		"	        y[r,c] += rows[r][b,c,l] if add",
		"	        rows[r][b,c,l] = max(y[r,c], floor)")
	args, src, tap, blocks, work, from, bias, columns, add := "R0", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R15"
	w.parameters("args", args)
	w.op("MOVD", at(args, outSrc), src)
	w.op("MOVD", at(args, outTap), tap)
	for r := range m {
		w.op("MOVD", at(args, outRows+8*r), neonLine[r])
	}
	w.op("MOVD", at(args, outBlocks), blocks)
	w.op("MOVD", at(args, outBias), bias)
	w.op("MOVD", at(args, outWork), work)
	w.op("MOVD", at(args, outColumns), columns)
	w.op("MOVD", at(args, outAdd), add)
	floor, offset, old := vec(20), vec(21), vec(22)
	w.broadcast(args, outFloor, floor)
	w.hold(16)
	place := func(i, j int) int { return (i*m + j) * 16 }
	d := vecs(0, n)
	moving := append([]string{src, bias}, neonLine[:m]...)
	w.eachQuarter(moving, func() {
		w.op("MOVD", src, from)
		for i := range n {
			w.comment("Row %d.", i)
			for j := range n {
				w.load(from, 0, d[j])
				w.op("ADD", tap, from)
			}
			w.outputLine(d, func(j int, v vec) { w.store(v, work, place(i, j)) })
		}
		w.load(bias, 0, offset)
		for col := range m {
			w.comment("Column %d, unless outside the map.", col)
			skip, plain := fmt.Sprintf("skip%d", col), fmt.Sprintf("plain%d", col)
			w.op("TBZ", number(col), columns, skip)
			for i := range n {
				w.load(work, place(i, col), d[i])
			}
			results := make([]vec, m)
			w.outputLine(d, func(i int, v vec) { results[i] = v })
			for _, v := range results {
				w.add(v, offset, v)
			}
			w.op("CBZ", add, plain)
			for i, v := range results {
				w.load(neonLine[i], col*lanes*4, old)
				w.add(v, old, v)
			}
			w.label(plain)
			for i, v := range results {
				w.binary("fmax", v, floor, v)
				w.store(v, neonLine[i], col*lanes*4)
			}
			w.label(skip)
		}
	}, func() {
		for r := range m {
			w.advance(outStep+8*r, neonLine[r])
		}
		w.advance(outBlock, src)
		w.op("ADD", number(lanes*4), bias)
	})
}

// outputLine emits A^T d for one line; see inputLine.
func (w *neonTransform) outputLine(d []vec, store func(i int, v vec)) {
	t := vecs(len(d), 7)
	sumA, difA := t[0], t[1]
	w.add(d[1], d[2], sumA)
	w.sub(d[1], d[2], difA)
	if w.m == 2 {
		w.add(d[0], sumA, t[2])
		w.sub(difA, d[3], t[3])
		store(0, t[2])
		store(1, t[3])
		return
	}
	sumB, difB, y0, y1, y2 := t[2], t[3], t[4], t[5], t[6]
	w.add(d[3], d[4], sumB)
	w.sub(d[3], d[4], difB)
	w.add(d[0], sumA, y0)
	w.add(y0, sumB, y0)
	w.mulLane(difA, w.point("a"), y1)
	w.fmaLane(difB, w.point("b"), y1)
	w.mulLane(sumA, w.point("1/2"), y2)
	w.fmaLane(sumB, w.point("2"), y2)
	w.fmaLane(difA, w.point("a^3"), d[5])
	w.fmaLane(difB, w.point("b^3"), d[5])
	for i, v := range []vec{y0, y1, y2, d[5]} {
		store(i, v)
	}
}
