package npy

import (
	"archive/zip"
	"bytes"
	"fmt"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMemory reads arrays of the types whose values grow most, and archives that
// make many bytes of few: a fuzzer's small files hide behind the constant.
func TestMemory(t *testing.T) {
	const n = 1 << 18
	for _, descr := range []string{"|S1", "|S2", "<U1", "|b1", "|u1", "<f2", "<f8"} {
		for _, order := range []string{"True", "False"} {
			d, err := parseHeader(fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (2, %d)}", descr, order, n/2))
			if err != nil {
				t.Fatal(err)
			}
			data := withHeader(fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (2, %d)}", descr, order, n/2), n*d.DType.Size)
			for i := len(data) - n*d.DType.Size; i < len(data); i += 4 {
				data[i] = 'a'
			}
			a, err := parse(data)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(descr+"/"+order, func(t *testing.T) {
				testutil.Parsed(t, testutil.Multiple(len(data), textFactor), func() error { _, err := a.Strings(); return err })
				testutil.Parsed(t, testutil.Multiple(len(data), floatFactor), func() error { _, err := a.Float32(); return err })
			})
		}
	}

	var many bytes.Buffer
	w := NewArchiveWriter(&many, false)
	for i := range 20_000 {
		if _, err := w.Create(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	testutil.Parsed(t, testutil.Multiple(many.Len(), directoryFactor), func() error {
		_, err := NewArchive(bytes.NewReader(many.Bytes()), int64(many.Len()))
		return err
	})

	content := append(AppendHeader(nil, Uint8, []int{16 << 20}), make([]byte, 16<<20)...)
	a := rawArchive(t, zip.FileHeader{Method: zip.Deflate, UncompressedSize64: uint64(len(content))}, deflated(t, content))
	testutil.Parsed(t, testutil.Multiple(len(content), entryFactor), func() error { _, err := a.Read("x", MaxEntry); return err }, "checksum")

	m := &Sparse{Rows: 1, Cols: n, Starts: make([]int32, n+1)}
	data := writeSparse(t, m)
	b, err := NewArchive(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if !testutil.Parsed(t, testutil.Multiple(4*n, sparseFactor), func() error { _, err := b.ReadSparse(maxSide, maxSide); return err }) {
		t.Error("a matrix of zeros was not read")
	}
}
