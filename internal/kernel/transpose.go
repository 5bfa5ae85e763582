package kernel

// Transpose writes the transpose of src [rows, columns] to dst [columns, rows].
// They must not overlap.
func Transpose(dst, src []float32, rows, columns int) {
	if rows < 0 || columns < 0 || len(dst) < rows*columns || len(src) < rows*columns {
		panic("kernel: short matrix")
	}
	if rows == 0 || columns == 0 {
		return
	}
	activeFamily().transposeAny(dst, src, rows, columns, rows, columns)
}

// TransposePart is Transpose for parts of matrices, whose rows begin at distances of dstRow and
// srcRow numbers.
func TransposePart(dst, src []float32, dstRow, srcRow, rows, columns int) {
	if rows < 1 || columns < 1 {
		return
	}
	if dstRow < rows || srcRow < columns || len(dst) < (columns-1)*dstRow+rows || len(src) < (rows-1)*srcRow+columns {
		panic("kernel: short matrix")
	}
	activeFamily().transposeAny(dst, src, dstRow, srcRow, rows, columns)
}
