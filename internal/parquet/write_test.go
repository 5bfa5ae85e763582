package parquet

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	lib "github.com/parquet-go/parquet-go"
)

// record is a row as Hugging Face's library writes it.
type record struct {
	Image *picture `parquet:"image,optional"`
	Label *int64   `parquet:"label,optional"`
	Note  string   `parquet:"note"`
}

type picture struct {
	Bytes []byte  `parquet:"bytes,optional"`
	Path  *string `parquet:"path,optional"`
}

// of is a pointer to v.
func of[T any](v T) *T { return &v }

// write writes rows with parquet-go, a row group for each of several.
func write[T any](t testing.TB, groups [][]T, options ...lib.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lib.NewGenericWriter[T](&b, options...)
	for _, rows := range groups {
		for i := range rows { // one by one, as pages end between writes
			if _, err := w.Write(rows[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fileOf writes bytes to a file of a folder of the test.
func fileOf(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}
