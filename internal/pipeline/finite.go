package pipeline

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/npy"
)

// This file finds numbers that are none, NaN and the infinities, where they are
// read, so that an error names the place and not what became of them.

// notFinite returns the place of the first value that is not finite, -1 if all
// are.
func notFinite[T float32 | float64](values []T) int {
	for i, x := range values {
		if x-x != 0 {
			return i
		}
	}
	return -1
}

func notFiniteAt(path string, at int, shape []int, value float32) error {
	return fmt.Errorf("%s: element %s is %g, want finite numbers", path, indexText(at, shape), value)
}

// indexText writes the place of an element in a shape: [2,0,31].
func indexText(at int, shape []int) string {
	index := make([]string, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = fmt.Sprint(at % shape[d])
		at /= shape[d]
	}
	return "[" + strings.Join(index, ",") + "]"
}

// readFinite reads a whole .npy file of finite numbers.
func readFinite(path string) ([]float32, []int, error) {
	data, shape, err := npy.ReadFloat32(path)
	if err != nil {
		return nil, nil, err
	}
	if i := notFinite(data); i >= 0 {
		return nil, nil, notFiniteAt(path, i, shape, data[i])
	}
	return data, shape, nil
}

// finiteArray checks an array that was read; integers are finite.
func finiteArray(path string, a *npy.Array) error {
	if a.Header.DType.Kind != 'f' {
		return nil
	}
	values, err := a.Float64()
	if err != nil {
		return err
	}
	if i := notFinite(values); i >= 0 {
		return notFiniteAt(path, i, a.Header.Shape, float32(values[i]))
	}
	return nil
}
