package artefact

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
)

// TestLengths takes components of another program for what they should be, unit vectors, with the
// error of half precision, or zero; others are named with their row and length.
func TestLengths(t *testing.T) {
	rows := []float32{1, 0, 0, 0, 0.5999, 0.7996, 2, 0}
	shape := []int{2, 2, 2}
	path := filepath.Join(t.TempDir(), "pcs.npy")
	var b bytes.Buffer
	if err := npy.WriteFloat32(&b, shape, rows); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := (Reader{}).Components(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read([]int{0, 1, 2}); err != nil {
		t.Errorf("unit vectors: %v", err)
	}
	want := path + ": row 3, the component of h1n1, has the length 2, want 1"
	if _, err := c.Read([]int{2, 3}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if err := c.tensor.ComponentRows(make([]float32, 4), 2); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	c.AnyLength = true
	if _, err := c.Read([]int{3}); err != nil {
		t.Errorf("of any length: %v", err)
	}
	// This program's own are what it wrote.
	ours := filepath.Join(t.TempDir(), "ours.npy")
	if err := (Writer{}).SaveFloat32(KindComponents, ours, []string{"H", "C", "O"}, shape, rows, origin.Origin{}); err != nil {
		t.Fatal(err)
	}
	mine, err := (Reader{}).Components(ours, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if _, err := mine.Read([]int{3}); err != nil {
		t.Errorf("with a manifest: %v", err)
	}
}

// TestComponentsOfUnits opens components of pairs and of neurons, of which it reads no row.
func TestComponentsOfUnits(t *testing.T) {
	pairs := unit.Shape{4, 2048}
	const O = 64
	for _, shape := range [][]int{{4, 2048, O}, {2048, O}} {
		path := filepath.Join(t.TempDir(), "pcs.npy")
		var b bytes.Buffer
		if err := npy.WriteFloat32(&b, shape, make([]float32, Product(shape))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := (Reader{}).ComponentsOfUnits(path, nil, pairs, O)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if c.Units.IsPairs() != (len(shape) == 3) || c.Units.Neurons() != 2048 || c.OutDim != O {
			t.Errorf("%v: units %v of %d dimensions", shape, c.Units, c.OutDim)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(b.Len()/2) {
			t.Errorf("%v: a file of %d bytes was opened with %d bytes of memory", shape, b.Len(), n)
		}
		for _, other := range []unit.Shape{{4, 2049}, {3, 2047}} {
			if _, err := (Reader{}).ComponentsOfUnits(path, nil, other, O); err == nil || !strings.Contains(err.Error(), "shape "+npy.ShapeString(shape)+", want ") {
				t.Errorf("%v as %v: %v", shape, other, err)
			}
		}
	}
}
