package npy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestView holds that views of mapped files and of those that have to be converted are
// what ReadFloat32 reads.
func TestView(t *testing.T) {
	for name, raw := range readWanted(t) {
		f, err := Open(testutil.Golden("interop/" + name))
		if raw == nil || err != nil {
			continue // elements or a form of file that Open refuses
		}
		for _, part := range [][2]int{{0, f.Count()}, {f.Count() / 2, f.Count() / 3}, {f.Count(), 0}} {
			want := make([]float32, part[1])
			if err := f.ReadFloat32(want, int64(part[0])); err != nil {
				t.Fatal(err)
			}
			var buf []float32
			got, err := f.View(&buf, int64(part[0]), part[1])
			if err != nil || !slices.EqualFunc(got, want, func(a, b float32) bool { return a == b || a != a && b != b }) {
				t.Errorf("%s: %d elements from %d on are %v, want %v (%v)", name, part[1], part[0], got, want, err)
			}
			plain := mapping.Supported && f.DType == Float32 && !f.BigEndian && !f.reordered() && f.Count() > 0
			if isMapped := f.mapping != nil; isMapped != plain || isMapped && buf != nil {
				t.Errorf("%s: mapped is %t, want %t", name, isMapped, plain)
			}
		}
		if _, err := f.View(new([]float32), 1, f.Count()); err == nil || !strings.Contains(err.Error(), "want them within") {
			t.Errorf("%s: beyond the end: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestViewOfChanging holds that a mapped file which is cut is an error where it is read,
// that one which is written to is told, and that one which is replaced stays what it was.
func TestViewOfChanging(t *testing.T) {
	if !mapping.Supported {
		t.Skip("no mappings")
	}
	const n = 1 << 18
	path := filepath.Join(t.TempDir(), "x.npy")
	write := func(to string, value float32) {
		file, err := os.Create(to)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(WriteFloat32(file, []int{n}, slices.Repeat([]float32{value}, n)), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	write(path, 1)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	view, err := f.View(new([]float32), 0, n)
	if err != nil {
		t.Fatal(err)
	}
	write(path+".new", 2)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if view[n-1] != 1 || f.Unchanged() != nil {
		t.Errorf("a file that was replaced: %g, want 1; %v", view[n-1], f.Unchanged())
	}

	other, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if view, err = other.View(new([]float32), 0, n); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if err := other.Unchanged(); !errors.Is(err, errChanged) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that was written to: %v", err)
	}
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	sum := float32(0)
	p := par.Catch(func() { sum += view[n-1] })
	if p == nil {
		t.Fatalf("a file that was cut: %g and no panic", sum)
	}
	if err := mapping.Fault(p.Value); !errors.Is(err, mapping.ErrGone) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that was cut: %v", err)
	}
	if err := other.Unchanged(); !errors.Is(err, errChanged) {
		t.Errorf("a file that was cut: %v", err)
	}
}
