package artefact

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
)

// This file finds NaN and infinite values where they are read, so that an error
// names the place and not what follows from it.

// FirstNonFinite returns the place of the first NaN or infinite value, -1 if
// there is none.
func FirstNonFinite[T float32 | float64](values []T) int {
	if numbers, ok := any(values).([]float32); ok {
		return kernel.FirstNonFinite(numbers)
	}
	for i, x := range values {
		if x-x != 0 {
			return i
		}
	}
	return -1
}

// NotFinite is the error of an element of a tensor of some shape.
func NotFinite(path string, at int, shape []int, value float32) error {
	return fmt.Errorf("%s: element %s is %g, want finite numbers", path, Index(at, shape), value)
}

// checkFinite returns an error unless all of a whole tensor is finite.
func checkFinite(path string, values []float32, shape []int) error {
	if i := FirstNonFinite(values); i >= 0 {
		return NotFinite(path, i, shape, values[i])
	}
	return nil
}

// Index writes the place of an element in a shape: [2,0,31].
func Index(at int, shape []int) string {
	index := make([]string, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = fmt.Sprint(at % shape[d])
		at /= shape[d]
	}
	return "[" + strings.Join(index, ",") + "]"
}

// readFinite reads a whole .npy file of finite numbers.
func readFinite(path string) ([]float32, []int, error) {
	data, shape, err := readWhole(path)
	if err != nil {
		return nil, nil, err
	}
	return data, shape, checkFinite(path, data, shape)
}

// readWhole is npy.ReadFloat32 into memory for kernels.
func readWhole(path string) ([]float32, []int, error) {
	f, err := npy.Open(path)
	if err != nil { // not of floats, or broken
		return npy.ReadFloat32(path)
	}
	defer f.Close()
	data := kernel.Alloc(f.Count())
	return data, f.Shape, f.ReadFloat32(data, 0)
}

// CheckArray returns an error unless all of an array is finite; integers are.
func CheckArray(path string, a *npy.Array) error {
	if a.Header.DType.Kind != 'f' {
		return nil
	}
	values, err := a.Float64()
	if err != nil {
		return err
	}
	if i := FirstNonFinite(values); i >= 0 {
		return NotFinite(path, i, a.Header.Shape, float32(values[i]))
	}
	return nil
}

// Product is the number of elements of a shape.
func Product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
