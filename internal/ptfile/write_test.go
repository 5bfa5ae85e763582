package ptfile

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestWriteTensor(t *testing.T) {
	long := make([]float32, chunkBytes/4+3)
	for i := range long {
		long[i] = float32(i)
	}
	for _, tc := range []struct {
		name  string
		shape []int
		data  []float32
	}{
		{"matrix", []int{2, 3}, []float32{0, 1, 2, 3, 4, -5}},
		{"scalar", nil, []float32{math.MaxFloat32}},
		{"empty", []int{0, 7}, nil},
		{"several chunks", []int{1, len(long)}, long},
		{"not finite", []int{2}, []float32{float32(math.Inf(-1)), 0x1p-149}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var file, again bytes.Buffer
			for _, w := range []*bytes.Buffer{&file, &again} {
				if err := WriteTensor(w, tc.shape, tc.data); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(file.Bytes(), again.Bytes()) {
				t.Error("two writes differ")
			}
			f, err := parseString(file.String())
			if err != nil {
				t.Fatal(err)
			}
			tensor, ok := f.Lookup("")
			if !ok || tensor.DType != Float32 || !slices.Equal(tensor.Shape, tc.shape) || len(f.Tensors()) != 1 {
				t.Errorf("%s %v, want float32 %v alone", tensor.DType, tensor.Shape, tc.shape)
			}
			if got := values(t, f, tensor); !slices.Equal(got, tc.data) {
				t.Errorf("read back %v, want %v", got, tc.data)
			}
		})
	}
}

// TestWriteTensorFull writes to a file system that is full after n bytes.
func TestWriteTensorFull(t *testing.T) {
	data := make([]float32, 5000)
	var whole bytes.Buffer
	if err := WriteTensor(&whole, []int{5000}, data); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < whole.Len(); n += 997 {
		w := fullAfter(n)
		if err := WriteTensor(&w, []int{5000}, data); !errors.Is(err, errFull) {
			t.Errorf("full after %d bytes: %v", n, err)
		}
	}
}

var errFull = errors.New("no space left")

// fullAfter is a writer with room for so many bytes.
type fullAfter int

func (n *fullAfter) Write(p []byte) (int, error) {
	if len(p) > int(*n) {
		return 0, errFull
	}
	*n -= fullAfter(len(p))
	return len(p), nil
}
