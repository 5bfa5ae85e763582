package npy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// interopTolerance is golden/interop's: values.json holds the stored values
// themselves, so only the conversion to float32 may round.
const interopTolerance = 1e-7

// wanted is what golden/interop/values.json says of one array.
type wanted struct {
	DType  string
	Shape  []int
	Values []float64
}

func readWanted(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden("interop/values.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func float32s(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

func TestReadNumPyFiles(t *testing.T) {
	count := 0
	for name, raw := range readWanted(t) {
		if !strings.HasSuffix(name, ".npy") {
			continue
		}
		count++
		t.Run(name, func(t *testing.T) {
			var want wanted
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			path := testutil.Golden("interop/" + name)
			a, err := ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Shape, want.Shape) {
				t.Errorf("shape %v, want %v", a.Shape, want.Shape)
			}
			if got := fmt.Sprintf("%c%d", a.DType.Kind, a.DType.Size); got != want.DType[1:] {
				t.Errorf("type %s, want %s", got, want.DType)
			}
			if a.BigEndian != (want.DType[0] == '>') {
				t.Errorf("big-endian %v, want %s", a.BigEndian, want.DType)
			}
			got, err := a.Float32()
			if err != nil {
				t.Fatal(err)
			}
			if err := testutil.Far(got, float32s(want.Values), interopTolerance); err != nil {
				t.Errorf("Float32: %v", err)
			}
			got64, err := a.Float64()
			if err != nil {
				t.Fatal(err)
			}
			if a.DType != Float16 && a.DType != Float32 && !slices.Equal(got64, want.Values) {
				t.Errorf("Float64: got %v, want %v", got64, want.Values)
			}
			if whole, shape, err := ReadFloat32(path); err != nil || !slices.Equal(whole, got) || !slices.Equal(shape, want.Shape) {
				t.Errorf("ReadFloat32 differs from Float32: shape %v, error %v", shape, err)
			}
		})
	}
	if count != 14 {
		t.Errorf("%d .npy files in values.json, want 14", count)
	}
}

func TestWriteIsWhatNumPyWrites(t *testing.T) {
	// numpy.save filled these headers up to the same 128 bytes as we do.
	for _, name := range []string{"c_f4.npy", "empty.npy", "s.npy"} {
		path := testutil.Golden(name)
		if name != "s.npy" {
			path = testutil.Golden("interop/" + name)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data, shape, err := ReadFloat32(path)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := WriteFloat32(&got, shape, data); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: other bytes than NumPy's", name)
		}
	}
}

func TestWriteThenParse(t *testing.T) {
	check := func(name string, write func(*bytes.Buffer) error, dtype DType, get func(*Array) (any, error), want any) {
		t.Helper()
		var buf bytes.Buffer
		if err := write(&buf); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, err := parse(buf.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := get(a)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a.DType != dtype || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v %v, want %v %v", name, a.DType, got, dtype, want)
		}
	}
	long := make([]float32, 3*block+1) // several blocks
	for i := range long {
		long[i] = float32(i) / 7
	}
	asInt := func(a *Array) (any, error) { return a.Int64() }
	asFloat := func(a *Array) (any, error) { return a.Float32() }
	check("float32", func(b *bytes.Buffer) error { return WriteFloat32(b, []int{len(long)}, long) }, Float32, asFloat, long)
	check("Write float32", func(b *bytes.Buffer) error { return Write(b, []int{1, len(long)}, long) }, Float32, asFloat, long)
	check("float16", func(b *bytes.Buffer) error { return writeFloat16(b, []int{3}, []float32{1, -0.5, 65504}) }, Float16, asFloat, []float32{1, -0.5, 65504})
	check("float64", func(b *bytes.Buffer) error { return Write(b, nil, []float64{math.Pi}) }, Float64, func(a *Array) (any, error) { return a.Float64() }, []float64{math.Pi})
	check("int8", func(b *bytes.Buffer) error { return Write(b, []int{2}, []int8{-128, 127}) }, Int8, asInt, []int64{-128, 127})
	check("int16", func(b *bytes.Buffer) error { return Write(b, []int{2}, []int16{-2, 300}) }, Int16, asInt, []int64{-2, 300})
	check("int32", func(b *bytes.Buffer) error { return Write(b, []int{2, 1}, []int32{-2, 1 << 30}) }, Int32, asInt, []int64{-2, 1 << 30})
	check("int64", func(b *bytes.Buffer) error { return Write(b, []int{1}, []int64{math.MinInt64}) }, Int64, asInt, []int64{math.MinInt64})
	check("uint8", func(b *bytes.Buffer) error { return Write(b, []int{2}, []uint8{0, 255}) }, Uint8, asInt, []int64{0, 255})
	check("uint16", func(b *bytes.Buffer) error { return Write(b, []int{2}, []uint16{0, 65535}) }, Uint16, asInt, []int64{0, 65535})
	check("uint32", func(b *bytes.Buffer) error { return Write(b, []int{1}, []uint32{math.MaxUint32}) }, Uint32, asInt, []int64{math.MaxUint32})
	check("uint64", func(b *bytes.Buffer) error { return Write(b, []int{1}, []uint64{math.MaxInt64}) }, Uint64, asInt, []int64{math.MaxInt64})
	check("bool", func(b *bytes.Buffer) error { return Write(b, []int{2}, []bool{false, true}) }, Bool, func(a *Array) (any, error) { return a.Bool() }, []bool{false, true})
	check("text", func(b *bytes.Buffer) error { return WriteString(b, "csc") }, DType{'S', 3}, func(a *Array) (any, error) { return a.Strings() }, []string{"csc"})
}

func TestConversionsRefuse(t *testing.T) {
	array := func(write func(*bytes.Buffer) error) *Array {
		t.Helper()
		var buf bytes.Buffer
		if err := write(&buf); err != nil {
			t.Fatal(err)
		}
		a, err := parse(buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	text := array(func(b *bytes.Buffer) error { return WriteString(b, "x") })
	if _, err := text.Float32(); err == nil {
		t.Error("text became float32")
	}
	if _, err := text.Int64(); err == nil {
		t.Error("text became int64")
	}
	if _, err := text.Bool(); err == nil {
		t.Error("text became bool")
	}
	number := array(func(b *bytes.Buffer) error { return Write(b, nil, []float32{1}) })
	if _, err := number.Int64(); err == nil {
		t.Error("float32 became int64")
	}
	if _, err := number.Strings(); err == nil {
		t.Error("float32 became text")
	}
	big := array(func(b *bytes.Buffer) error { return Write(b, nil, []uint64{1 << 63}) })
	if _, err := big.Int64(); err == nil {
		t.Error("2^63 became int64")
	}
	if err := writeFloat16(&bytes.Buffer{}, []int{1}, []float32{65520}); err == nil {
		t.Error("65520 was written as float16")
	}
	if err := WriteString(&bytes.Buffer{}, ""); err == nil {
		t.Error("an empty text was written")
	}
}

// withHeader builds a version 1.0 file of a header's text and elements.
func withHeader(text string, elements int) []byte {
	b := append([]byte(magic), 1, 0, byte(len(text)), byte(len(text)>>8))
	return append(append(b, text...), make([]byte, elements)...)
}

func TestParseHeader(t *testing.T) {
	tests := []struct {
		name, text string
		elements   int
		want       string // of the error; empty when the file is good
	}{
		{"plain", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, ""},
		{"any order of keys", "{'shape':(2,),'fortran_order':True,'descr':\"|u1\"}", 2, ""},
		{"python 2", "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}", 24, ""},
		{"no trailing comma", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 24, ""},
		{"UTF-32 text", "{'descr': '<U3', 'fortran_order': False, 'shape': ()}", 12, ""},
		{"empty", "", 0, "at 0: found the end, want '{'"},
		{"not a dict", "['descr']", 0, `at 0: found "[", want '{'`},
		{"key twice", "{'descr': '<f4', 'descr': '<f4'}", 0, `key "descr" occurs twice`},
		{"unknown key", "{'order': 'C'}", 0, `unknown key "order"`},
		{"missing key", "{'descr': '<f4', 'shape': (2, 3)}", 24, `key "fortran_order" is missing`},
		{"open string", "{'descr", 0, "at 1: string without an end"},
		{"open tuple", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, ", 0, "at 54: found the end, want a dimension"},
		{"open dict", "{'descr': '<f4'", 0, "at 15: found the end, want '}'"},
		{"text after the dict", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x", 24, `at 58: found "x", want the end`},
		{"bare integer", "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", 12, "want ','"},
		{"negative", "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", 12, "want a dimension"},
		{"a word for a bool", "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", 12, "want True or False"},
		{"huge dimension", "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 0, "does not fit"},
		{"huge product", "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 0, "more bytes than can be counted"},
		{"huge beside zero", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296)}", 0, "more bytes than can be counted"},
		{"too many axes", "{'descr': '<f4', 'fortran_order': False, 'shape': (" + strings.Repeat("1, ", 33) + ")}", 4, "more than 32 axes"},
		{"complex", "{'descr': '<c8', 'fortran_order': False, 'shape': ()}", 8, `element type "<c8"`},
		{"objects", "{'descr': '|O', 'fortran_order': False, 'shape': ()}", 8, "pickled Python objects"},
		{"records", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", 4, "records"},
		{"no byte order", "{'descr': '|f4', 'fortran_order': False, 'shape': ()}", 4, "without byte order"},
		{"odd size", "{'descr': '<f3', 'fortran_order': False, 'shape': ()}", 3, `element type "<f3"`},
		{"text of no size", "{'descr': '|S0', 'fortran_order': False, 'shape': (1000000,)}", 0, `element type "|S0"`},
		{"short", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 23, "23 bytes of elements, want 24 (float32 of shape 2x3)"},
		{"long", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 25, "25 bytes of elements, want 24"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(withHeader(tt.text, tt.elements))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
	for name, data := range map[string]string{
		"nothing":      "",
		"other magic":  "\x93NUMPX\x01\x00\x00\x00",
		"version":      magic + "\x04\x00\x00\x00",
		"no length":    magic + "\x02\x00\x00\x00",
		"huge header":  magic + "\x02\x00\x00\x00\x00\x7f",
		"short header": magic + "\x01\x00\x10\x00{",
		"zip":          "PK\x03\x04xxxxxxxxxxxx",
	} {
		if _, err := parse([]byte(data)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHeaderCanGrow(t *testing.T) {
	for _, rest := range [][]int{nil, {48, 3072}, {48, 3072, 768}, slices.Repeat([]int{1}, 31)} {
		small := AppendHeader(nil, Float32, append([]int{0}, rest...))
		for _, rows := range []int{1, 1000, 1 << 33} {
			big := AppendHeader(nil, Float32, append([]int{rows}, rest...))
			if len(big) != len(small) {
				t.Errorf("%d rows of %v: header of %d bytes, that of 0 rows has %d", rows, rest, len(big), len(small))
			}
		}
		if len(small)%headerAlign != 0 {
			t.Errorf("header of %d bytes", len(small))
		}
		h, n, err := ReadHeader(bytes.NewReader(small))
		if err != nil || n != len(small) || h.Count() != 0 {
			t.Errorf("read back %+v, %d bytes, %v", h, n, err)
		}
	}
}

// writeFloat16 writes data rounded to float16.
func writeFloat16(w *bytes.Buffer, shape []int, data []float32) error {
	b, err := AppendFloat16(AppendHeader(nil, Float16, shape), data)
	w.Write(b)
	return err
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	data := make([]float32, 5*7)
	for i := range data {
		data[i] = float32(i) - 3.5
	}
	half, double, raw := filepath.Join(dir, "half.npy"), filepath.Join(dir, "double.npy"), filepath.Join(dir, "raw.dat")
	var buf, wide bytes.Buffer
	if err := writeFloat16(&buf, []int{5, 7}, data); err != nil {
		t.Fatal(err)
	}
	doubles := make([]float64, len(data))
	for i, x := range data {
		doubles[i] = float64(x)
	}
	if err := Write(&wide, []int{5, 7}, doubles); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{half: buf.Bytes(), double: wide.Bytes(), raw: AppendFloat32(nil, data)} {
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]func() (*File, error){
		"float16":    func() (*File, error) { return Open(half) },
		"float64":    func() (*File, error) { return Open(double) },
		"raw":        func() (*File, error) { return OpenRaw(raw, []int{5, 7}) },
		"big-endian": func() (*File, error) { return Open(testutil.Golden("interop/be_f4.npy")) },
		"float32":    func() (*File, error) { return Open(testutil.Golden("interop/c_f4.npy")) },
	}
	for name, open := range files {
		f, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := data
		if name == "big-endian" || name == "float32" {
			if want, _, err = ReadFloat32(testutil.Golden("interop/c_f4.npy")); err != nil {
				t.Fatal(err)
			}
		}
		n := len(want)
		if f.Count() != n || f.Row() != n/5 {
			t.Errorf("%s: %d elements in rows of %d, want %d and %d", name, f.Count(), f.Row(), n, n/5)
		}
		for _, piece := range [][2]int{{0, n}, {0, 0}, {n, n}, {3, 4}, {7, 21}, {n - 1, n}} {
			got := make([]float32, piece[1]-piece[0])
			if err := f.ReadFloat32(got, int64(piece[0])); err != nil || !slices.Equal(got, want[piece[0]:piece[1]]) {
				t.Errorf("%s: elements %v: got %v, want %v (%v)", name, piece, got, want[piece[0]:piece[1]], err)
			}
		}
		for _, start := range []int{-1, n, n + 1, math.MaxInt64} {
			if err := f.ReadFloat32(make([]float32, 1), int64(start)); err == nil {
				t.Errorf("%s: read element %d of %d", name, start, n)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}

	for name, open := range map[string]func() (*File, error){
		"raw, other shape":    func() (*File, error) { return OpenRaw(raw, []int{5, 8}) },
		"raw, negative shape": func() (*File, error) { return OpenRaw(raw, []int{-5, -7}) },
		"raw, huge shape":     func() (*File, error) { return OpenRaw(raw, []int{1 << 40, 1 << 40}) },
		"large Fortran order": func() (*File, error) { return Open(sparseFortran(t)) },
		"int32":               func() (*File, error) { return Open(testutil.Golden("interop/i4.npy")) },
		"a folder":            func() (*File, error) { return Open(dir) },
		"missing":             func() (*File, error) { return Open(filepath.Join(dir, "none.npy")) },
		"no header":           func() (*File, error) { return Open(raw) },
	} {
		if f, err := open(); err == nil {
			f.Close()
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error of several lines: %v", name, err)
		}
	}
	if err := os.Truncate(half, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(half); err == nil {
		t.Error("opened a truncated file")
	}
	if _, _, err := ReadFloat32(half); err == nil {
		t.Error("read a truncated file")
	}
}

// parse reads the bytes of a .npy file. The array keeps using data.
func parse(data []byte) (*Array, error) {
	h, n, err := ReadHeader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := h.fits(int64(len(data) - n)); err != nil {
		return nil, err
	}
	return &Array{h, data[n:]}, nil
}
