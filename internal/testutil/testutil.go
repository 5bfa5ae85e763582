// Package testutil holds what the tests of several packages share: golden files,
// the measure of closeness for comparing with them, bounds on memory and errors for
// parsers of untrusted files, and files with arbitrary headers.
package testutil

import (
	"fmt"
	"math"
	"path/filepath"
	"runtime"
)

// Golden returns the path of a golden file; name uses slashes and is relative
// to the golden folder, as in its manifest.json.
func Golden(name string) string { return inTestdata("golden", name) }

// GoldenViT returns the path of a golden file of a vision transformer.
func GoldenViT(name string) string { return inTestdata("golden_vit", name) }

func inTestdata(folder, name string) string {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		panic("testutil: no caller information")
	}
	return filepath.Join(filepath.Dir(self), "testdata", folder, filepath.FromSlash(name))
}

// Far compares got with want by the measure of the golden files' manifest,
//
//	max |got - want| <= tolerance * max |want|
//
// and returns nil, or an error that names the worst index and both values. A NaN in
// got is always an error.
func Far(got, want []float32, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d values, want %d", len(got), len(want))
	}
	largest, worst, at := 0.0, 0.0, -1
	for i := range want {
		largest = math.Max(largest, math.Abs(float64(want[i])))
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			return fmt.Errorf("at %d: got %g, want %g", i, got[i], want[i])
		}
		if d > worst {
			worst, at = d, i
		}
	}
	if worst > tolerance*largest {
		return fmt.Errorf("at %d: got %g, want %g; off by %.3g of the largest value, allowed %.3g",
			at, got[at], want[at], worst/largest, tolerance)
	}
	return nil
}
