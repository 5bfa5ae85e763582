// Package testutil holds what the tests of several packages share: golden files,
// the measure of closeness for comparing with them, bounds on memory and errors for
// parsers of untrusted files, and files with arbitrary headers.
package testutil

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
)

// Golden returns the path of a golden file; name uses slashes and is relative
// to the golden folder, as in its manifest.json.
func Golden(name string) string { return inTestdata("golden", name) }

// GoldenViT returns the path of a golden file of a vision transformer.
func GoldenViT(name string) string { return inTestdata("golden_vit", name) }

func inTestdata(folder, name string) string {
	return filepath.Join(root(), "internal", "testutil", "testdata", folder, filepath.FromSlash(name))
}

// root returns the module's folder. Tests start in the folder of their package; the source's own
// path is not known to a program that was built with -trimpath.
var root = sync.OnceValue(func() string {
	for dir := started; ; {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			panic("testutil: no go.mod in " + started + " or above it")
		}
		dir = parent
	}
})

// started is the working folder before a test changes it.
var started, _ = os.Getwd()

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
