package kernel

import "unsafe"

// transposeRef transposes a matrix in plain Go:
//
//	for r in 0..rows, j in 0..columns:
//	    dst[j,r] = src[r,j]
func transposeRef(dst, src *float32, dstRow, srcRow, rows, columns int) {
	for r := range rows {
		row := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(src), r*srcRow)), columns)
		for j, v := range row {
			*(*float32)(unsafe.Add(unsafe.Pointer(dst), j*dstRow+r*4)) = v
		}
	}
}

// sumRowsRef adds the product of a row and a matrix in plain Go:
//
//	for p in 0..k, j in 0..n:
//	    y[j] += a[p] * b[p,j]
func sumRowsRef(y, a, b *float32, bRow, k, n int) {
	sums, factors := unsafe.Slice(y, n), unsafe.Slice(a, k)
	for p, x := range factors {
		row := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(b), p*bRow)), n)
		for j, v := range row {
			sums[j] += x * v
		}
	}
}
