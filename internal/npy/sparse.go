package npy

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/foreign"
)

// Sparse is a matrix of mostly zeros, compressed along one axis, as SciPy's
// csr_matrix and csc_matrix are. Its slices are the rows of the first and the
// columns of the second.
type Sparse struct {
	Rows, Cols int
	ByRow      bool // csr; else csc

	Data    []float32
	Indices []int32 // of the elements along the other axis, within a slice in any order
	Starts  []int32 // of the slices in Data and Indices; one more than there are slices
}

// maxSide is the most rows or columns of a matrix that is read. A file of few
// bytes can claim any number of them.
const maxSide = 1 << 24

// Slice returns the elements of slice i and where along the other axis they are.
func (m *Sparse) Slice(i int) (indices []int32, data []float32) {
	lo, hi := m.Starts[i], m.Starts[i+1]
	return m.Indices[lo:hi:hi], m.Data[lo:hi:hi]
}

// Rowwise is the matrix compressed by rows, and Columnwise by columns. One that is
// so already is returned as it is; else indices ascend within a slice, and it
// takes the memory of the matrix again and four bytes for each new slice twice.
func (m *Sparse) Rowwise() *Sparse {
	if m.ByRow {
		return m
	}
	return m.turned(m.Rows)
}

// Columnwise: see Rowwise.
func (m *Sparse) Columnwise() *Sparse {
	if !m.ByRow {
		return m
	}
	return m.turned(m.Cols)
}

// turned compresses m along the other axis, of which there are so many slices.
func (m *Sparse) turned(slices int) *Sparse {
	out := &Sparse{
		Rows: m.Rows, Cols: m.Cols, ByRow: !m.ByRow,
		Data: make([]float32, len(m.Data)), Indices: make([]int32, len(m.Indices)), Starts: make([]int32, slices+1),
	}
	for _, to := range m.Indices {
		out.Starts[to+1]++
	}
	for i := range slices {
		out.Starts[i+1] += out.Starts[i]
	}
	next := append([]int32(nil), out.Starts...)
	for from := range len(m.Starts) - 1 {
		indices, data := m.Slice(from)
		for i, to := range indices {
			at := next[to]
			out.Indices[at], out.Data[at] = int32(from), data[i]
			next[to]++
		}
	}
	return out
}

// check returns an error when the parts of m do not make a matrix.
func (m *Sparse) check() error {
	slices, other := m.Cols, m.Rows
	if m.ByRow {
		slices, other = m.Rows, m.Cols
	}
	if len(m.Starts) != slices+1 || len(m.Indices) != len(m.Data) {
		return fmt.Errorf("%d elements, %d indices and %d starts of slices, want as many of the first two and %d", len(m.Data), len(m.Indices), len(m.Starts), slices+1)
	}
	if m.Starts[0] != 0 || int(m.Starts[slices]) != len(m.Data) {
		return fmt.Errorf("slices from %d to %d, want 0 to %d", m.Starts[0], m.Starts[slices], len(m.Data))
	}
	for i := range slices {
		if m.Starts[i+1] < m.Starts[i] {
			return fmt.Errorf("slice %d: ends before it starts", i)
		}
	}
	for i, at := range m.Indices {
		if at < 0 || int(at) >= other {
			return fmt.Errorf("element %d: index %d, want 0 to %d", i, at, other-1)
		}
	}
	return nil
}

// elementsPerByte bounds how many elements a matrix has for each byte of its
// archive, as fewElements always may be. An element is 8 bytes or more before it
// is compressed, and coefficients that were measured hardly compress.
const (
	elementsPerByte = 4
	fewElements     = 1 << 20
)

// ReadSparse reads a matrix that scipy.sparse.save_npz wrote, by rows (csr) or by
// columns (csc), of at most so many rows and columns; elements are rounded to
// float32. The arrays must fit together before elements are unpacked. It takes
// up to eight times the matrix's arrays.
func (a *Archive) ReadSparse(rows, cols int) (*Sparse, error) {
	m, err := a.readSparse(min(rows, maxSide), min(cols, maxSide))
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: sparse matrix: %w", a.path, err)
	}
	return m, nil
}

func (a *Archive) readSparse(rows, cols int) (*Sparse, error) {
	const word = 8 // bytes of the widest integer or float
	format, err := a.entry("format", 8*word)
	if err != nil {
		return nil, err
	}
	names, err := format.Strings()
	if err != nil || len(names) != 1 || names[0] != "csr" && names[0] != "csc" {
		return nil, fmt.Errorf("format %s, want csr or csc", foreign.QuoteAll(names))
	}
	shape, err := a.int32s("shape", 2)
	if err != nil {
		return nil, err
	}
	if len(shape) != 2 || min(shape[0], shape[1]) < 0 || int(shape[0]) > rows || int(shape[1]) > cols {
		return nil, fmt.Errorf("shape %v, want at most %d rows and %d columns", shape, rows, cols)
	}
	m := &Sparse{Rows: int(shape[0]), Cols: int(shape[1]), ByRow: names[0] == "csr"}
	// How many elements there are follows from the starts of slices, and what
	// the other arrays take from that.
	if m.Starts, err = a.int32s("indptr", max(m.Rows, m.Cols)+1); err != nil {
		return nil, err
	}
	elements := 0
	if len(m.Starts) > 0 {
		elements = max(0, int(m.Starts[len(m.Starts)-1]))
	}
	if most := max(fewElements, elementsPerByte*a.size); int64(elements) > most || elements > m.Rows*m.Cols {
		return nil, fmt.Errorf("%d elements of %d by %d in an archive of %d bytes, want at most %d",
			elements, m.Rows, m.Cols, a.size, min(most, int64(m.Rows)*int64(m.Cols)))
	}
	if m.Indices, err = a.int32s("indices", elements); err != nil {
		return nil, err
	}
	data, err := a.entry("data", word*int64(elements))
	if err != nil {
		return nil, err
	}
	m.Data, err = data.Float32()
	return m, err
}

// int32s reads an array of one axis of at most so many integers that fit in 32
// bits.
func (a *Archive) int32s(name string, most int) ([]int32, error) {
	array, err := a.entry(name, 8*int64(most))
	if err != nil {
		return nil, err
	}
	if len(array.Shape) != 1 {
		return nil, fmt.Errorf("array %q: shape %s, want one axis", name, ShapeString(array.Shape))
	}
	if array.Shape[0] > most {
		return nil, fmt.Errorf("array %q: %d elements, want at most %d", name, array.Shape[0], most)
	}
	wide, err := array.Int64()
	if err != nil {
		return nil, fmt.Errorf("array %q: %w", name, err)
	}
	out := make([]int32, len(wide))
	for i, v := range wide {
		if v != int64(int32(v)) {
			return nil, fmt.Errorf("array %q: element %d is %d, want one of 32 bits", name, i, v)
		}
		out[i] = int32(v)
	}
	return out, nil
}

// WriteSparse writes the arrays of m as scipy.sparse.save_npz does. It panics when
// they do not make a matrix.
func (a *ArchiveWriter) WriteSparse(m *Sparse) error {
	if m.check() != nil {
		panic("npy: not a sparse matrix")
	}
	return writeEntries(a, m)
}

func writeEntries(a *ArchiveWriter, m *Sparse) error {
	format := "csc"
	if m.ByRow {
		format = "csr"
	}
	if err := writeEntry(a, "indices", m.Indices); err != nil {
		return err
	}
	if err := writeEntry(a, "indptr", m.Starts); err != nil {
		return err
	}
	w, err := a.Create("format")
	if err != nil {
		return err
	}
	if err := WriteString(w, format); err != nil {
		return err
	}
	if err := writeEntry(a, "shape", []int64{int64(m.Rows), int64(m.Cols)}); err != nil {
		return err
	}
	return writeEntry(a, "data", m.Data)
}

// writeEntry writes an array of one axis.
func writeEntry[T Element](a *ArchiveWriter, name string, data []T) error {
	w, err := a.Create(name)
	if err != nil {
		return err
	}
	return Write(w, []int{len(data)}, data)
}
