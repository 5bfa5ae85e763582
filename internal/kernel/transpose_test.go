package kernel

import "testing"

func TestTransposeMatrix(t *testing.T) {
	for rows := range 35 {
		for columns := range 35 {
			src := make([]float32, rows*columns)
			for i := range src {
				src[i] = float32(i + 1)
			}
			dst := make([]float32, len(src)+1) // one more as a guard
			Transpose(dst, src, rows, columns)
			for i := range rows {
				for j := range columns {
					if dst[j*rows+i] != src[i*columns+j] {
						t.Fatalf("%dx%d: at %d,%d: %g, want %g", rows, columns, j, i, dst[j*rows+i], src[i*columns+j])
					}
				}
			}
			if dst[len(src)] != 0 {
				t.Fatalf("%dx%d: wrote past the end", rows, columns)
			}
		}
	}
}
