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
