package npy

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// dense writes m out, row-major.
func dense(m *Sparse) []float64 {
	out := make([]float64, m.Rows*m.Cols)
	for i := range len(m.Starts) - 1 {
		indices, data := m.Slice(i)
		for j, at := range indices {
			if m.ByRow {
				out[i*m.Cols+int(at)] = float64(data[j])
			} else {
				out[int(at)*m.Cols+i] = float64(data[j])
			}
		}
	}
	return out
}

// TestReadSparse expands the matrices that SciPy saved and compares them with
// their values, as they are stored and by rows.
func TestReadSparse(t *testing.T) {
	all := readWanted(t)
	for _, name := range []string{"csc.npz", "csr.npz", "csc_f8_stored.npz", "csr_empty.npz"} {
		t.Run(name, func(t *testing.T) {
			var want wanted
			if err := json.Unmarshal(all[name], &want); err != nil {
				t.Fatal(err)
			}
			for i, v := range want.Values { // some are float64
				want.Values[i] = float64(float32(v))
			}
			a, err := OpenArchive(testutil.Golden("interop/" + name))
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			m, err := a.ReadSparse(maxSide, maxSide)
			if err != nil {
				t.Fatal(err)
			}
			if m.ByRow != strings.HasPrefix(name, "csr") || !slices.Equal([]int{m.Rows, m.Cols}, want.Shape) {
				t.Errorf("%d by %d, by rows is %t; want %v", m.Rows, m.Cols, m.ByRow, want.Shape)
			}
			for _, m := range []*Sparse{m, m.Rowwise(), m.Columnwise()} {
				if got := dense(m); !slices.Equal(got, want.Values) {
					t.Errorf("by rows is %t: got %v, want %v", m.ByRow, got, want.Values)
				}
			}
		})
	}
}

// smallSparse is [[0 2 0] [3 0 5]].
func smallSparse() *Sparse {
	return &Sparse{Rows: 2, Cols: 3, Data: []float32{3, 2, 5}, Indices: []int32{1, 0, 1}, Starts: []int32{0, 1, 2, 3}}
}

func writeSparse(t testing.TB, m *Sparse) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewArchiveWriter(&buf, true)
	if err := w.WriteSparse(m); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestWriteSparse(t *testing.T) {
	byRow := &Sparse{Rows: 2, Cols: 3, ByRow: true, Data: []float32{2, 3, 5}, Indices: []int32{1, 0, 2}, Starts: []int32{0, 1, 3}}
	if got := smallSparse().Rowwise(); !reflect.DeepEqual(got, byRow) {
		t.Errorf("by rows it is %+v, want %+v", got, byRow)
	}
	if got := byRow.Columnwise(); !reflect.DeepEqual(got, smallSparse()) {
		t.Errorf("by columns it is %+v, want %+v", got, smallSparse())
	}
	for _, m := range []*Sparse{smallSparse(), byRow} {
		data := writeSparse(t, m)
		a, err := NewArchive(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.ReadSparse(maxSide, maxSide)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("read %+v, %v; wrote %+v", got, err, m)
		}
	}
}

func TestReadSparseRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(m *Sparse)
		want   string
	}{
		"row out of range":             {func(m *Sparse) { m.Indices[1] = 2 }, "element 1: index 2, want 0 to 1"},
		"negative row":                 {func(m *Sparse) { m.Indices[2] = -1 }, "element 2: index -1"},
		"slices backwards":             {func(m *Sparse) { m.Starts[1], m.Starts[2] = 2, 1 }, "slice 1"},
		"short starts":                 {func(m *Sparse) { m.Starts = m.Starts[:3] }, `array "indices": 3 elements, want at most 2`},
		"elements left":                {func(m *Sparse) { m.Starts[3] = 2 }, `array "indices": 3 elements, want at most 2`},
		"starts past zero":             {func(m *Sparse) { m.Starts[0] = 1 }, "slices from 1"},
		"too few indices":              {func(m *Sparse) { m.Indices = m.Indices[:2] }, "3 elements, 2 indices"},
		"long starts":                  {func(m *Sparse) { m.Starts = []int32{0, 1, 2, 3, 3} }, `array "indptr": 5 elements, want at most 4`},
		"starts that end early":        {func(m *Sparse) { m.Starts = []int32{0, 1, 3} }, "3 elements, 3 indices and 3 starts of slices, want as many of the first two and 4"},
		"more elements than places":    {func(m *Sparse) { m.Starts[3] = 7 }, "7 elements of 2 by 3"},
		"more elements than the file":  {func(m *Sparse) { m.Rows, m.Cols, m.Starts[3] = 1<<20, 3, 1<<21 }, "2097152 elements of 1048576 by 3 in an archive of"},
		"no columns at all":            {func(m *Sparse) { m.Cols, m.Starts = 0, nil }, `array "indices": int32 of shape 3, 12 bytes, want at most 0`},
		"more rows than 24 bits count": {func(m *Sparse) { m.Rows = maxSide + 1 }, "want at most 16777216 rows and 16777216 columns"},
	} {
		t.Run(name, func(t *testing.T) {
			m := smallSparse()
			test.damage(m)
			var buf bytes.Buffer
			w := NewArchiveWriter(&buf, false)
			if err := writeEntries(w, m); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			a, err := NewArchive(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.ReadSparse(maxSide, maxSide); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
	a, err := OpenArchive(testutil.Golden("interop/savez.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.ReadSparse(maxSide, maxSide); err == nil || !strings.Contains(err.Error(), `no array "format"`) {
		t.Errorf("error %v of an archive without a matrix", err)
	}
}

// TestSparseBounds unpacks a matrix only as far as its arrays can belong together.
func TestSparseBounds(t *testing.T) {
	var buf bytes.Buffer
	w := NewArchiveWriter(&buf, true)
	m := smallSparse()
	m.Data = make([]float32, 1<<24) // 64 KB packed
	if err := writeEntries(w, m); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := NewArchive(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	read := func() error { _, err := a.ReadSparse(2, 3); return err }
	if testutil.Parsed(t, testutil.Slack, read, `array "data": float32 of shape 16777216, 67108864 bytes, want at most 24`) {
		t.Error("no error")
	}
	data := writeSparse(t, smallSparse())
	if a, err = NewArchive(bytes.NewReader(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	for _, most := range [][2]int{{1, 3}, {2, 2}} {
		if _, err := a.ReadSparse(most[0], most[1]); testutil.Line(err, "shape [2 3], want at most") != nil {
			t.Errorf("%v: %v", most, err)
		}
	}
}
