package npy

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// What reading an array may allocate, in bytes for each byte of the file: the
// package's promises.
const (
	parseFactor = 4
	textFactor  = 40
	floatFactor = 8
)

func FuzzParse(f *testing.F) {
	testutil.Seed(f, "interop/*.npy")
	f.Add(withHeader("{'descr': '<U2', 'fortran_order': True, 'shape': (2, 2)}", 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a *Array
		if !testutil.Parsed(t, testutil.Multiple(len(data), parseFactor), func() (err error) {
			a, err = parse(data)
			return err
		}) {
			return
		}
		var texts []string
		var values []float32
		if testutil.Parsed(t, testutil.Multiple(len(data), textFactor), func() (err error) {
			texts, err = a.Strings()
			return err
		}) && len(texts) != a.Count() {
			t.Fatalf("%d texts, want %d", len(texts), a.Count())
		}
		if !testutil.Parsed(t, testutil.Multiple(len(data), floatFactor), func() (err error) {
			values, err = a.Float32()
			return err
		}) {
			return
		}
		if len(values) != a.Count() {
			t.Fatalf("%d elements, want %d", len(values), a.Count())
		}
		var written bytes.Buffer
		if err := WriteFloat32(&written, a.Shape, values); err != nil {
			t.Fatal(err)
		}
		again, err := parse(written.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		back, err := again.Float32()
		if err != nil || !slices.Equal(again.Shape, a.Shape) || !bytes.Equal(AppendFloat32(nil, back), AppendFloat32(nil, values)) {
			t.Fatalf("write then read is not identity: shape %v, want %v (%v)", again.Shape, a.Shape, err)
		}
	})
}

// What an archive may allocate in all: for its directory, in bytes for each
// byte of the file, and for an array, in bytes for each of the array's. Growing
// buffers that are thrown away count, so these are above what is held at once.
const (
	directoryFactor = 20
	entryFactor     = 8
)

func FuzzArchive(f *testing.F) {
	testutil.Seed(f, "interop/*.npz")
	f.Fuzz(func(t *testing.T, data []byte) {
		var a *Archive
		if !testutil.Parsed(t, testutil.Multiple(len(data), directoryFactor), func() (err error) {
			a, err = NewArchive(bytes.NewReader(data), int64(len(data)))
			return err
		}) {
			return
		}
		for _, name := range a.Names() {
			checkEntry(t, a, name, len(data))
		}
	})
}

// checkEntry reads an array of an archive of size bytes, checks the package's promises,
// and writes and reads the array again.
func checkEntry(t *testing.T, a *Archive, name string, size int) {
	var array *Array
	claimed := min(a.byName[name].UncompressedSize64, maxDeflate*uint64(size))
	if !testutil.Parsed(t, testutil.Multiple(int(claimed), entryFactor), func() (err error) {
		array, err = a.Read(name, MaxEntry)
		return err
	}, "archive: ") {
		return
	}
	if testutil.Parsed(t, testutil.Slack, func() error { _, err := a.Read(name, array.Bytes()-1); return err }, "want at most") {
		t.Fatal("an array of more bytes than wanted was read")
	}
	if !testutil.Parsed(t, testutil.Slack, func() error { _, _, _, err := a.NonFinite(name); return err }) {
		t.Fatal("an array that was read could not be looked through")
	}
	if array.Bytes() > maxDeflate*int64(size) {
		t.Fatalf("%d bytes from a file of %d", array.Bytes(), size)
	}
	values, err := array.Float64()
	if err != nil {
		return
	}
	var buf bytes.Buffer
	w := NewArchiveWriter(&buf, false)
	entry, err := w.Create("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(entry, array.Shape, values); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := NewArchive(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	back, err := again.Read("x", MaxEntry)
	if err != nil || !slices.Equal(back.Shape, array.Shape) {
		t.Fatalf("write then read: shape %v, want %v (%v)", back.Shape, array.Shape, err)
	}
	var want bytes.Buffer
	if err := Write(&want, array.Shape, values); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(want.Bytes(), back.data) {
		t.Fatal("write then read: other values")
	}
}

// FuzzEntry puts a header and elements into an archive whose directory then
// tells lies, since random bytes seldom have the right lengths and checksums.
func FuzzEntry(f *testing.F) {
	floats := "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}"
	eight := []byte("01234567")
	f.Add(floats, eight, uint16(zip.Store), uint16(0), int64(0), int64(0), uint32(0))
	f.Add(floats, eight, uint16(zip.Deflate), uint16(0), int64(0), int64(0), uint32(0))
	f.Add(floats, eight, uint16(zip.Deflate), uint16(1), int64(8), int64(-1), uint32(1))
	f.Add("{'descr': '|u1', 'fortran_order': False, 'shape': (4611686018427387904,)}", eight, uint16(zip.Deflate), uint16(0), int64(1)<<62, int64(0), uint32(0))
	f.Add("{'descr': '>U2', 'fortran_order': True, 'shape': (1, 1)}", eight, uint16(zip.Store), uint16(8), int64(1), int64(1), uint32(0))
	f.Add("{'descr': '<c8', 'fortran_order': True, 'shape': ()}", eight, uint16(99), uint16(0), int64(0), int64(0), uint32(0))
	f.Fuzz(func(t *testing.T, header string, elements []byte, method, flags uint16, grow, growPacked int64, sum uint32) {
		content := withHeader(header, 0)
		content = append(content, elements...)
		packed := content
		if method == zip.Deflate {
			packed = deflated(t, content)
		}
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: "x.npy", Method: method, Flags: flags, CRC32: crc32.ChecksumIEEE(content) ^ sum,
			CompressedSize64: uint64(int64(len(packed)) + growPacked), UncompressedSize64: uint64(int64(len(content)) + grow),
		})
		if err != nil {
			return
		}
		if _, err := w.Write(packed); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			return // sizes that no archive can say
		}
		a, err := NewArchive(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
		if err != nil {
			return
		}
		for _, name := range a.Names() {
			checkEntry(t, a, name, buf.Len())
		}
	})
}

// sparseFactor is what reading a matrix may allocate in all for each byte of
// its arrays.
const sparseFactor = 24

func FuzzReadSparse(f *testing.F) {
	testutil.Seed(f, "interop/*.npz")
	f.Add(writeSparse(f, smallSparse()))
	f.Fuzz(checkSparse)
}

// checkSparse reads a matrix, holds it to the package's promises, turns it, and
// writes and reads it again.
func checkSparse(t *testing.T, data []byte) {
	a, err := NewArchive(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return
	}
	claimed := uint64(0)
	for _, entry := range a.byName {
		claimed += min(entry.UncompressedSize64, maxDeflate*uint64(len(data)))
	}
	var m *Sparse
	if !testutil.Parsed(t, testutil.Multiple(int(claimed), sparseFactor), func() (err error) {
		m, err = a.ReadSparse(maxSide, maxSide)
		return err
	}, "archive: sparse matrix: ") {
		return
	}
	if max(m.Rows, m.Cols) > 1<<12 { // turning takes memory for every row or column
		return
	}
	for _, turned := range []*Sparse{m.Rowwise(), m.Columnwise()} {
		if err := turned.check(); err != nil {
			t.Errorf("by rows is %t: %v", turned.ByRow, err)
		}
	}
	written := writeSparse(t, m)
	b, err := NewArchive(bytes.NewReader(written), int64(len(written)))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.ReadSparse(maxSide, maxSide); err != nil || len(again.Data) != len(m.Data) || !slices.Equal(again.Indices, m.Indices) || !slices.Equal(again.Starts, m.Starts) {
		t.Errorf("read again: %v", err)
	}
}

// FuzzSparseArrays makes an archive of arrays that may not fit together.
func FuzzSparseArrays(f *testing.F) {
	f.Add("csc", int64(2), int64(3), []byte{1, 0, 1}, []byte{0, 1, 2, 3}, []byte{3, 2, 5}, false)
	f.Add("csr", int64(2), int64(3), []byte{1, 0, 2}, []byte{0, 1, 3}, []byte{2, 3, 5}, true)
	f.Add("csr", int64(0), int64(1)<<62, []byte{}, []byte{0}, []byte{}, true)
	f.Add("csr", int64(1)<<24, int64(-1), []byte{255}, []byte{0, 200}, []byte{}, true)
	f.Add("coo", int64(1), int64(1), []byte{}, []byte{0, 0}, []byte{}, false)
	f.Fuzz(func(t *testing.T, format string, rows, cols int64, indices, starts, values []byte, wide bool) {
		var buf bytes.Buffer
		w := NewArchiveWriter(&buf, len(values)%2 == 0)
		write := func(name string, list []byte) {
			wider := make([]int64, len(list))
			narrow := make([]int32, len(list))
			for i, v := range list {
				wider[i], narrow[i] = int64(int8(v)), int32(int8(v))
			}
			err := error(nil)
			if wide {
				err = writeEntry(w, name, wider)
			} else {
				err = writeEntry(w, name, narrow)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		write("indices", indices)
		write("indptr", starts)
		write("data", values)
		if err := writeEntry(w, "shape", []int64{rows, cols}); err != nil {
			t.Fatal(err)
		}
		text, err := w.Create("format")
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteString(text, format); err != nil {
			return // a text that the format cannot hold
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		checkSparse(t, buf.Bytes())
	})
}
