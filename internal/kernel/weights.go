package kernel

import (
	"unsafe"

	"github.com/clipnh/clipnh/internal/float16"
)

// Weights are the numbers of matrices that products read, and nothing else. Those that were
// published in half precision stay so, without loss: the product of a few rows takes as long as
// its matrix takes on the way from memory.
type Weights struct {
	floats []float32
	halves []uint16
}

// FloatWeights are values in float32, which it retains.
func FloatWeights(values []float32) Weights { return Weights{floats: values} }

// WeightsLen returns the number of float32 values that n weights take.
func WeightsLen(n int, half bool) int {
	if half {
		return (n + 1) / 2
	}
	return n
}

// PackedWeights are n weights in packed, of WeightsLen values: those that Set wrote there, or
// will write. It retains packed.
func PackedWeights(packed []float32, n int, half bool) Weights {
	if len(packed) != WeightsLen(n, half) {
		panic("kernel: wrong length of weights")
	}
	if !half || n == 0 {
		return Weights{floats: packed[:n]}
	}
	return Weights{halves: unsafe.Slice((*uint16)(unsafe.Pointer(&packed[0])), n)}
}

// Len is the number of weights.
func (w Weights) Len() int { return max(len(w.floats), len(w.halves)) }

// Bytes is their size in memory.
func (w Weights) Bytes() int64 { return 4*int64(len(w.floats)) + 2*int64(len(w.halves)) }

// Set writes values to all weights, which hold them exactly.
func (w Weights) Set(values []float32) {
	if len(values) != w.Len() {
		panic("kernel: wrong length of weights")
	}
	copy(w.floats, values)
	float16.Narrow(w.halves, values[:len(w.halves)])
}

// SetTransposed sets the weights to the transposes of matrices, each of rows by columns values, one
// after the other.
func (w Weights) SetTransposed(values []float32, matrices, rows, columns int) {
	n := rows * columns
	if len(values) != matrices*n || w.Len() != matrices*n {
		panic("kernel: wrong length of weights")
	}
	if w.halves == nil {
		for i := range matrices {
			Transpose(w.floats[i*n:(i+1)*n], values[i*n:(i+1)*n], rows, columns)
		}
		return
	}
	across, giveBack := Borrow(n)
	defer giveBack()
	for i := range matrices {
		Transpose(across, values[i*n:(i+1)*n], rows, columns)
		Weights{halves: w.halves[i*n : (i+1)*n]}.Set(across)
	}
}

// Read writes the weights from number first on to dst.
func (w Weights) Read(dst []float32, first int) {
	if w.halves == nil {
		copy(dst, w.floats[first:first+len(dst)])
		return
	}
	widen(dst, w.halves[first:])
}

// Matrix returns the row-major matrix of the rows*cols weights from number first on.
func (w Weights) Matrix(first, rows, cols int) Matrix {
	return w.Strided(first, rows, cols, max(cols, 1))
}

// Strided returns the rows x cols matrix whose row i begins at weight number first + i*stride.
func (w Weights) Strided(first, rows, cols, stride int) Matrix {
	m := Matrix{Rows: rows, Cols: cols, Stride: stride}
	if w.halves == nil {
		m.Data = w.floats[first:]
	} else {
		m.halves = w.halves[first:]
	}
	return m
}

// widen writes the first len(dst) of the numbers to dst.
func widen(dst []float32, halves []uint16) {
	if len(dst) > 0 {
		halves = halves[:len(dst)]
		float16.Widen(dst, unsafe.Slice((*byte)(unsafe.Pointer(&halves[0])), 2*len(dst)))
	}
}
