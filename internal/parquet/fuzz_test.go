package parquet

import (
	"io"
	"testing"

	lib "github.com/parquet-go/parquet-go"

	"github.com/clipnh/clipnh/internal/testutil"
)

// What listing and reading may allocate in all, most of it garbage, for each byte of a file:
// every few bytes may be a page, which is unpacked to 64 times as many, and taken apart.
const bytesFactor = 2000

// FuzzOpen lists and reads files of any bytes. They never panic, and allocate no more than
// bytesFactor allows for.
func FuzzOpen(f *testing.F) {
	before := freeSize
	freeSize = 0
	f.Cleanup(func() { freeSize = before })
	rows := [][]record{records(9, 1), records(2, 2)}
	for _, options := range [][]lib.WriterOption{
		{lib.DefaultEncodingFor(lib.ByteArray, &lib.Plain)},
		{lib.DefaultEncodingFor(lib.ByteArray, &lib.Plain), lib.DataPageVersion(1), lib.Compression(&lib.Snappy)},
		{lib.DefaultEncodingFor(lib.ByteArray, &lib.RLEDictionary), lib.DefaultEncodingFor(lib.Int64, &lib.RLEDictionary), lib.Compression(&lib.Zstd)},
		{lib.Compression(&lib.Gzip), lib.KeyValueMetadata("huggingface", `{"info": {"features": {"label": {"names": ["a"], "_type": "ClassLabel"}}}}`)},
	} {
		f.Add(write(f, rows, options...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := fileOf(t, b)
		allocated := testutil.Allocated(func() {
			table, err := Open(t.Context(), path, "", &Cache{})
			if err != nil {
				return
			}
			total := int64(0)
			for i := range table.Rows {
				row := &table.Rows[i]
				if total += max(row.Size, 0); total > 64*int64(len(b)) { // rows that share an image
					break
				}
				r, err := table.Open(row)
				if err != nil {
					continue
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n != row.Size {
					t.Errorf("row %d: %d bytes, %v, want %d", i, n, err, row.Size)
				}
				r.Close()
			}
		})
		if most := 64<<20 + bytesFactor*int64(len(b)); allocated > most {
			t.Errorf("%d bytes allocated for %d, want at most %d", allocated, len(b), most)
		}
	})
}

// FuzzRuns decodes numbers of any bytes: as many as were asked for, or an error.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{6, 1, 3, 0x55}, 1, 11)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 0, 100)
	f.Fuzz(func(t *testing.T, b []byte, width, n int) {
		if width < 0 || n < 0 || n > 1<<16 {
			return
		}
		numbers, err := runs(b, width, n)
		if err == nil && len(numbers) != n {
			t.Errorf("%d numbers, want %d", len(numbers), n)
		}
		for _, x := range numbers {
			if uint64(x)>>width != 0 {
				t.Errorf("%d in %d bits", x, width)
			}
		}
	})
}

// FuzzDeltas decodes lengths of any bytes: as many as were asked for, or an error.
func FuzzDeltas(f *testing.F) {
	f.Add([]byte{0x80, 1, 4, 3, 2, 2, 1, 0, 0, 0, 5, 0, 0, 0}, 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		numbers, taken, err := deltas(b, n)
		if err == nil && (len(numbers) != n || taken > len(b)) {
			t.Errorf("%d numbers of %d bytes, want %d of at most %d", len(numbers), taken, n, len(b))
		}
	})
}
