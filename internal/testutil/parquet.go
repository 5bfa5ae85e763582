package testutil

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// row is a row of a Parquet file as Hugging Face's library writes it.
type row struct {
	Image struct {
		Bytes []byte `parquet:"bytes,optional"`
		Path  string `parquet:"path"`
	} `parquet:"image,optional"`
	Label int64 `parquet:"label"`
}

// writeRows writes files as rows of a Parquet file, in the order of their names. Labels
// are the places of the folders that they are in.
func writeRows(t testing.TB, out io.Writer, folder string, files []string) {
	t.Helper()
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(below(t, folder, a), below(t, folder, b)) })
	var folders []string
	for _, file := range files {
		folders = append(folders, filepath.Dir(file))
	}
	slices.Sort(folders)
	folders = slices.Compact(folders)
	w := parquet.NewGenericWriter[row](out,
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain), parquet.Compression(&parquet.Snappy),
		parquet.DataPageVersion(1), parquet.PageBufferSize(1<<16), parquet.MaxRowsPerRowGroup(100))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r row
		r.Image.Bytes, r.Image.Path = data, below(t, folder, file)
		r.Label = int64(slices.Index(folders, filepath.Dir(file)))
		if _, err := w.Write([]row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
