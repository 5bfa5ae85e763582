package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	lib "github.com/parquet-go/parquet-go"

	"github.com/clipnh/clipnh/internal/testutil"
)

// records are n rows; some have no image, no path or no label, and some share an image.
func records(n int, seed uint64) []record {
	rng := rand.New(rand.NewPCG(seed, 1))
	rows := make([]record, n)
	for i := range rows {
		r := &rows[i]
		r.Note = fmt.Sprint("note ", i%3)
		if rng.IntN(8) > 0 {
			r.Label = of(int64(rng.IntN(5)))
		}
		switch rng.IntN(8) {
		case 0:
			continue
		case 1:
			r.Image = &picture{Path: of("elsewhere.jpg")}
			continue
		case 2:
			r.Image = &picture{Bytes: []byte("the same")}
			continue
		}
		data := make([]byte, rng.IntN(5000))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		r.Image = &picture{Bytes: data, Path: of(fmt.Sprintf("%d.jpg", i))}
	}
	return rows
}

// check compares a table with what was written.
func check(t *testing.T, table *Table, want []record) {
	t.Helper()
	if len(table.Rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(table.Rows), len(want))
	}
	for i := range want {
		row, label, path, data := &table.Rows[i], "", "", []byte(nil)
		if want[i].Label != nil {
			label = fmt.Sprint(*want[i].Label)
		}
		if p := want[i].Image; p != nil {
			data = p.Bytes
			if p.Path != nil {
				path = *p.Path
			}
		}
		if row.Label != label || row.Path != path || (row.Size == NoBytes) != (data == nil) {
			t.Fatalf("row %d: %+v, want label %q, path %q, %d bytes", i, row, label, path, len(data))
		}
		r, err := table.Open(row)
		if data == nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("row %d without an image: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, data) || int64(len(got)) != row.Size {
			t.Fatalf("row %d: %d other bytes, %v, want %d", i, len(got), err, len(data))
		}
	}
}

// TestOpen reads files of every codec, encoding and version of pages.
func TestOpen(t *testing.T) {
	plain := lib.WriterOption(lib.DefaultEncodingFor(lib.ByteArray, &lib.Plain))
	for name, options := range map[string][]lib.WriterOption{
		"none":       {plain, lib.Compression(&lib.Uncompressed)},
		"snappy":     {plain, lib.Compression(&lib.Snappy)},
		"gzip":       {plain, lib.Compression(&lib.Gzip)},
		"zstd":       {plain, lib.Compression(&lib.Zstd)},
		"delta":      {lib.DefaultEncodingFor(lib.ByteArray, &lib.DeltaLengthByteArray), lib.Compression(&lib.Snappy)},
		"dictionary": {lib.DefaultEncodingFor(lib.ByteArray, &lib.RLEDictionary), lib.DefaultEncodingFor(lib.Int64, &lib.RLEDictionary), lib.Compression(&lib.Snappy)},
	} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprint(name, " ", version), func(t *testing.T) {
				groups := [][]record{records(137, 1), records(1, 2), records(60, 3)}
				options := append([]lib.WriterOption{lib.DataPageVersion(version), lib.PageBufferSize(20000)}, options...)
				table, err := Open(t.Context(), fileOf(t, write(t, groups, options...)), "", &Cache{})
				if err != nil {
					t.Fatal(err)
				}
				if !table.Labelled || table.Classes != nil {
					t.Errorf("labelled %v, classes %q", table.Labelled, table.Classes)
				}
				if len(table.pages) < 6 {
					t.Errorf("%d pages, want many", len(table.pages))
				}
				check(t, table, append(append(groups[0], groups[1]...), groups[2]...))
			})
		}
	}
}

// TestOpenAtOnce reads rows from many goroutines, in any order.
func TestOpenAtOnce(t *testing.T) {
	rows := records(300, 4)
	data := write(t, [][]record{rows}, lib.DefaultEncodingFor(lib.ByteArray, &lib.Plain), lib.Compression(&lib.Zstd), lib.PageBufferSize(20000))
	table, err := Open(t.Context(), fileOf(t, data), "", &Cache{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 200 {
				i := rng.IntN(len(rows))
				if table.Rows[i].Size == NoBytes {
					continue
				}
				r, err := table.Open(&table.Rows[i])
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, rows[i].Image.Bytes) {
					t.Errorf("row %d: %d other bytes, %v", i, len(got), err)
				}
				r.Close()
			}
		})
	}
	wg.Wait()
	if len(table.cache.kept) != keptPages {
		t.Errorf("%d pages kept, want %d", len(table.cache.kept), keptPages)
	}
}

// TestColumns finds the column of images and that of labels.
func TestColumns(t *testing.T) {
	type words struct {
		Img   picture  `parquet:"img"`
		Tags  []string `parquet:"tags,list"`
		Label string   `parquet:"label,dict"`
	}
	type bare struct {
		JPG   []byte `parquet:"jpg"`
		Label int32  `parquet:"labels"`
	}
	type two struct {
		A, B picture
	}
	type none struct {
		URL  string `parquet:"url"`
		Text string `parquet:"text"`
	}
	type other struct {
		Text string `parquet:"text"`
	}
	for _, test := range []struct {
		name, label, err, hint string
		data                   []byte
	}{
		{name: "struct", label: "dog", data: write(t, [][]words{{{Img: picture{Bytes: []byte("x")}, Label: "dog"}}})},
		{name: "binary", label: "7", data: write(t, [][]bare{{{[]byte("x"), 7}}})},
		{name: "below zero", label: "", data: write(t, [][]bare{{{[]byte("x"), -1}}})},
		{name: "two", err: "2 columns of images, A and B among them, want one", data: write(t, [][]two{{{}}})},
		{name: "addresses", err: "no column of images among url, text", hint: "img2dataset", data: write(t, [][]none{{{}}})},
		{name: "no images", err: "no column of images among text", hint: "a struct with a field bytes", data: write(t, [][]other{{{}}})},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := fileOf(t, test.data)
			table, err := Open(t.Context(), path, "", &Cache{})
			if test.err != "" {
				if bad := testutil.Line(err, path, test.err); bad != nil {
					t.Error(bad)
				}
				var h interface{ Hint() string }
				if test.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.Hint(), test.hint)) {
					t.Errorf("no hint of %s", test.hint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(table.Rows) != 1 || table.Rows[0].Label != test.label || table.Rows[0].Size != 1 {
				t.Errorf("%+v, want label %q", table.Rows, test.label)
			}
		})
	}
}

// TestClasses reads the names that Hugging Face's library writes.
func TestClasses(t *testing.T) {
	for note, want := range map[string]string{
		`{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}`: "cat dog",
		`{"info": {"features": {"label": {"dtype": "int64", "_type": "Value"}}}}`:                                          "",
		`[]`: "",
	} {
		data := write(t, [][]record{records(3, 1)}, lib.KeyValueMetadata("huggingface", note))
		table, err := Open(t.Context(), fileOf(t, data), "", &Cache{})
		if err != nil || strings.Join(table.Classes, " ") != want {
			t.Errorf("%s: %q, %v, want %s", note, table.Classes, err, want)
		}
	}
}

// TestDamaged refuses what is no table, or not whole.
func TestDamaged(t *testing.T) {
	whole := write(t, [][]record{records(50, 1)}, lib.Compression(&lib.Snappy))
	footer := func(n uint32) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(b[len(b)-8:], n)
		return b
	}
	list := append([]byte(magic), 0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0) // field 2, a list of 2^31-1 structures
	list = append(binary.LittleEndian.AppendUint32(list, 8), magic...)
	for _, test := range []struct {
		name string
		data []byte
		err  string
	}{
		{"empty", nil, "too short for a Parquet file"},
		{"another file", bytes.Repeat([]byte("x"), 100), "not a Parquet file"},
		{"encrypted", append([]byte("PARE"), whole[4:]...), "an encrypted Parquet file"},
		{"cut short", whole[:len(whole)-20], "it is cut short or damaged"},
		{"long directory", footer(1 << 31), "a directory of 2147483648 bytes, want at most"},
		{"short directory", footer(10), "damaged directory"},
		{"a list of billions", list, "damaged directory: decoding"},
		{"brotli", write(t, [][]record{records(50, 1)}, lib.Compression(&lib.Brotli)), "compressed with BROTLI, want none, snappy, gzip or zstd"},
		{"delta", write(t, [][]record{records(50, 1)}, lib.DefaultEncodingFor(lib.ByteArray, &lib.DeltaByteArray)), "values encoded as DELTA_BYTE_ARRAY, want PLAIN, DELTA_LENGTH_BYTE_ARRAY or a dictionary"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := fileOf(t, test.data)
			allocated := testutil.Allocated(func() {
				_, err := Open(t.Context(), path, "", &Cache{})
				if bad := testutil.Line(err, path, test.err); bad != nil {
					t.Error(bad)
				}
			})
			if allocated > 8<<20 {
				t.Errorf("%d bytes allocated", allocated)
			}
		})
	}
}

// TestBytesTurned turns each byte of a file with page checksums: what is read is an error or
// what was written.
func TestBytesTurned(t *testing.T) {
	rows := records(12, 7)
	whole := write(t, [][]record{rows}, lib.Compression(&lib.Snappy), lib.DefaultEncodingFor(lib.ByteArray, &lib.Plain))
	for at := 0; at < len(whole); at += 29 {
		data := bytes.Clone(whole)
		data[at] ^= 0x40
		table, err := Open(t.Context(), fileOf(t, data), "", &Cache{})
		if err != nil {
			continue
		}
		for i := range table.Rows {
			r, err := table.Open(&table.Rows[i])
			if err != nil {
				continue
			}
			if got, err := io.ReadAll(r); err == nil && (i >= len(rows) || rows[i].Image == nil || !bytes.Equal(got, rows[i].Image.Bytes)) {
				t.Errorf("byte %d turned: row %d has %d other bytes", at, i, len(got))
			}
			r.Close()
		}
	}
}

// TestChanged refuses a file that was changed after it was listed, and ends with its context.
func TestChanged(t *testing.T) {
	path := fileOf(t, write(t, [][]record{records(50, 1)}))
	table, err := Open(t.Context(), path, "", &Cache{})
	if err != nil {
		t.Fatal(err)
	}
	if there, err := table.There(); !there || err != nil {
		t.Error(there, err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	_, err = table.There()
	if bad := testutil.Line(err, path, "the file was changed after it was listed"); bad != nil {
		t.Error(bad)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path, "", &Cache{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
