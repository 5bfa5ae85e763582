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
