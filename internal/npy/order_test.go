package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/testutil"
)

// sparseFortran is a file in Fortran order of more than is brought into C order,
// which takes no room on the disk.
func sparseFortran(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.npy")
	head := withHeader(fmt.Sprintf("{'descr': '<f2', 'fortran_order': True, 'shape': (2, %d)}", maxReordered/8+1), 0)
	if err := os.WriteFile(path, head, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(head))+4*(maxReordered/8+1)); err != nil {
		t.Skip(err) // no sparse files here
	}
	return path
}

// TestOpenFortran reads arrays of [B,H,C,O] in Fortran order piece by piece, from
// several goroutines.
func TestOpenFortran(t *testing.T) {
	shape := []int{3, 4, 50, 60} // more than a block
	for _, descr := range []string{"<f2", ">f4", "<f8"} {
		data := withHeader(fmt.Sprintf("{'descr': '%s', 'fortran_order': True, 'shape': (3, 4, 50, 60)}", descr), 0)
		want := make([]float32, 3*4*50*60)
		for i := range want {
			want[i] = float32(i % 2000)
		}
		at := func(b, h, c, o int) int { return ((b*4+h)*50+c)*60 + o }
		for o := range shape[3] {
			for c := range shape[2] {
				for h := range shape[1] {
					for b := range shape[0] {
						x := want[at(b, h, c, o)]
						switch descr {
						case "<f2":
							data = binary.LittleEndian.AppendUint16(data, float16.Bits(x))
						case ">f4":
							data = binary.BigEndian.AppendUint32(data, math.Float32bits(x))
						default:
							data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(x)))
						}
					}
				}
			}
		}
		path := filepath.Join(t.TempDir(), "a.npy")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var wg sync.WaitGroup
		for b := range shape[0] {
			wg.Go(func() {
				got := make([]float32, f.Row())
				if err := f.ReadFloat32(got, int64(b*f.Row())); err != nil || !slices.Equal(got, want[b*f.Row():][:f.Row()]) {
					t.Errorf("%s: image %d differs, %v", descr, b, err)
				}
			})
		}
		wg.Wait()
		if got, _, err := ReadFloat32(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: the whole differs, %v", descr, err)
		}
	}
}

// TestMistakenFiles names what is found in the place of an array.
func TestMistakenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := os.WriteFile(path, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	_, _, whole := ReadFloat32(path)
	_, array := ReadFile(path)
	_, archive := OpenArchive(path)
	for name, err := range map[string]error{"Open": err, "ReadFloat32": whole, "ReadFile": array, "OpenArchive": archive} {
		if bad := testutil.Line(err, path, "a Git LFS pointer", "want a NumPy ar"); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
	}
}
