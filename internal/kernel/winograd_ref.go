package kernel

import "unsafe"

// pixelAt returns the pixel at p plus an offset in bytes.
func pixelAt(p unsafe.Pointer, offset int) *[Lanes]float32 {
	return (*[Lanes]float32)(unsafe.Add(p, offset))
}

// winogradIn2Ref is the input transform of F(2x2) in plain Go.
func winogradIn2Ref(t *winogradIn) { winogradInRef(t, 4, winogradInLine2) }

// winogradIn4Ref is the input transform of F(4x4) in plain Go.
func winogradIn4Ref(t *winogradIn) { winogradInRef(t, 6, winogradInLine4) }

// winogradOut2Ref is the output transform of F(2x2) in plain Go.
func winogradOut2Ref(t *winogradOut) { winogradOutRef(t, 2, winogradOutLine2) }

// winogradOut4Ref is the output transform of F(4x4) in plain Go.
func winogradOut4Ref(t *winogradOut) { winogradOutRef(t, 4, winogradOutLine4) }

// winogradInRef transforms an n x n tile: columns first, then rows.
func winogradInRef(t *winogradIn, n int, line func([6]float32) [6]float32) {
	for b := range t.blocks {
		for l := range Lanes {
			var work [6][6]float32 // [column][row]
			for c := range n {
				if t.columns>>c&1 == 0 {
					continue
				}
				var d [6]float32
				for r := range n {
					d[r] = pixelAt(t.rows[r], b*t.step[r]+(c-1)*laneBytes)[l]
				}
				work[c] = line(d)
			}
			for i := range n {
				var d [6]float32
				for c := range n {
					d[c] = work[c][i]
				}
				for j, v := range line(d) {
					if j < n {
						pixelAt(t.dst, (i*n+j)*t.tap+b*t.block)[l] = v
					}
				}
			}
		}
	}
}

// winogradOutRef transforms the products of a tile: rows first, then columns.
func winogradOutRef(t *winogradOut, m int, line func([6]float32) [4]float32) {
	n := m + 2
	for b := range t.blocks {
		for l := range Lanes {
			var work [4][6]float32 // [column][row]
			for i := range n {
				var d [6]float32
				for j := range n {
					d[j] = pixelAt(t.src, (i*n+j)*t.tap+b*t.block)[l]
				}
				for j, v := range line(d) {
					work[j][i] = v
				}
			}
			bias := pixelAt(t.bias, b*laneBytes)[l]
			for c := range m {
				if t.columns>>c&1 == 0 {
					continue
				}
				for r, y := range line(work[c]) {
					if r == m {
						break
					}
					dst := pixelAt(t.rows[r], b*t.step[r]+c*laneBytes)
					y += bias
					if t.add != 0 {
						y += dst[l]
					}
					if t.floor > y { // keeps NaN
						y = t.floor
					}
					dst[l] = y
				}
			}
		}
	}
}

// winogradInLine2 returns B^T d of F(2x2) for one line.
func winogradInLine2(d [6]float32) [6]float32 {
	return [6]float32{d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]}
}

// winogradInLine4 returns B^T d of F(4x4) for one line.
func winogradInLine4(d [6]float32) [6]float32 {
	evenA, oddA := d[4]-2*d[2], sqrtHalf*(d[3]-2*d[1])
	evenB, oddB := d[4]-0.5*d[2], sqrt2*(d[3]-0.5*d[1])
	return [6]float32{
		d[0] + d[4] - 2.5*d[2],
		evenA + oddA, evenA - oddA,
		evenB + oddB, evenB - oddB,
		d[1] + d[5] - 2.5*d[3],
	}
}

// winogradOutLine2 returns A^T d of F(2x2) for one line.
func winogradOutLine2(d [6]float32) [4]float32 {
	return [4]float32{d[0] + (d[1] + d[2]), (d[1] - d[2]) - d[3]}
}

// winogradOutLine4 returns A^T d of F(4x4) for one line.
func winogradOutLine4(d [6]float32) [4]float32 {
	sumA, difA := d[1]+d[2], d[1]-d[2]
	sumB, difB := d[3]+d[4], d[3]-d[4]
	return [4]float32{
		d[0] + sumA + sumB,
		sqrtHalf*difA + sqrt2*difB,
		0.5*sumA + 2*sumB,
		sqrtHalf/2*difA + 2*sqrt2*difB + d[5],
	}
}
