package kernel

// Softmax replaces each row of x [rows][cols] by exp(x - max) / sum of
// exp(x - max). A row with a NaN becomes NaN.
func Softmax(x []float32, rows, cols int) {
	if rows < 0 || cols < 0 || len(x) < rows*cols {
		panic("kernel: short softmax rows")
	}
	for r := range rows {
		softmaxRef(x[r*cols:][:cols])
	}
}
