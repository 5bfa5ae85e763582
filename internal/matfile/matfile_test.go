package matfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func goldenJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func variable(t *testing.T, f *File, name string) *Array {
	t.Helper()
	v, err := f.Variable(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// must returns v, or fails.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestGoldenPlain reads what SciPy wrote.
func TestGoldenPlain(t *testing.T) {
	var values struct {
		Plain struct {
			X struct {
				Shape  []int
				Values []float64
			}
		} `json:"plain.mat"`
	}
	goldenJSON(t, "interop/values.json", &values)
	f := open(t, testutil.Golden("interop/plain.mat"))
	x, want := variable(t, f, "x"), values.Plain.X
	if !slices.Equal(x.Dims, want.Shape) || x.Class != Double {
		t.Fatalf("x is a %v array, want %v", x, want.Shape)
	}
	got := must[[]float64](t)(x.Float64s())
	for i, v := range want.Values { // by rows, where MATLAB's are by columns
		if g := got[i%want.Shape[1]*want.Shape[0]+i/want.Shape[1]]; g != v {
			t.Errorf("x[%d] is %g, want %g", i, g, v)
		}
	}
	if s := must[string](t)(variable(t, f, "s").Text()); s != "hello" {
		t.Errorf("s is %q", s)
	}
	if i := variable(t, f, "i"); i.Class != Int32 || !slices.Equal(must[[]float64](t)(i.Float64s()), []float64{0, 1, 2, 3, 4}) {
		t.Errorf("i is a %v array", i)
	}
	c := variable(t, f, "c")
	for i, want := range []string{"ab", "c"} {
		if s := must[string](t)(must[*Array](t)(c.Cell(i)).Text()); s != want {
			t.Errorf("c{%d} is %q, want %q", i, s, want)
		}
	}
	if p := must[[]float64](t)(must[*Array](t)(variable(t, f, "st").Field(0, "p")).Float64s()); !slices.Equal(p, []float64{1.5}) {
		t.Errorf("st.p is %v", p)
	}
	if q := must[[]float64](t)(must[*Array](t)(variable(t, f, "st").Field(0, "q")).Float64s()); !slices.Equal(q, []float64{0, 1, 2}) {
		t.Errorf("st.q is %v", q)
	}
	if b := must[[]bool](t)(variable(t, f, "b").Bools()); !slices.Equal(b, []bool{true, false}) {
		t.Errorf("b is %v", b)
	}
}

// TestGoldenDevkit reads annotations as Stanford Cars has them.
func TestGoldenDevkit(t *testing.T) {
	var want struct {
		BBox    [][]int64 `json:"bbox"`
		Names   []string  `json:"class_names"`
		Classes []int64   `json:"classes"`
		Files   []string  `json:"fnames"`
	}
	goldenJSON(t, "shift/annos.json", &want)
	names := variable(t, open(t, testutil.Golden("shift/devkit/cars_meta.mat")), "class_names")
	if names.Len() != len(want.Names) {
		t.Fatalf("%v, want %d", names, len(want.Names))
	}
	for i, name := range want.Names {
		if got := must[string](t)(must[*Array](t)(names.Cell(i)).Text()); got != name {
			t.Errorf("class %d is %q, want %q", i, got, name)
		}
	}
	for file, classes := range map[string]bool{"train": true, "test": false} {
		a := variable(t, open(t, testutil.Golden("shift/devkit/cars_"+file+"_annos.mat")), "annotations")
		if a.Len() != len(want.Files) || slices.Contains(a.Fields(), "class") != classes {
			t.Fatalf("%s: %v with fields %q", file, a, a.Fields())
		}
		for i := range want.Files {
			number := func(field string) int64 {
				return must[int64](t)(must[*Array](t)(a.Field(i, field)).Int64())
			}
			for j, field := range []string{"bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"} {
				if got := number(field); got != want.BBox[i][j] {
					t.Errorf("%s: %s of %d is %d, want %d", file, field, i, got, want.BBox[i][j])
				}
			}
			if classes && number("class") != want.Classes[i] {
				t.Errorf("class of %d is %d, want %d", i, number("class"), want.Classes[i])
			}
			if got := must[string](t)(must[*Array](t)(a.Field(i, "fname")).Text()); got != want.Files[i] {
				t.Errorf("%s: fname of %d is %q, want %q", file, i, got, want.Files[i])
			}
		}
	}
}

var orders = map[string]builder{"little": {binary.LittleEndian}, "big": {binary.BigEndian}}

// TestNumbers reads every class, from every type that it may be stored in.
func TestNumbers(t *testing.T) {
	for name, w := range orders {
		t.Run(name, func(t *testing.T) {
			minus := func(bits int) []byte { // -2, after 7
				out := make([]byte, bits/4)
				switch bits {
				case 8:
					out[0], out[1] = 7, 0xfe
				case 16:
					w.order.PutUint16(out, 7)
					w.order.PutUint16(out[2:], 0xfffe)
				case 32:
					w.order.PutUint32(out, 7)
					w.order.PutUint32(out[4:], 0xfffffffe)
				case 64:
					w.order.PutUint64(out, 7)
					w.order.PutUint64(out[8:], math.MaxUint64-1)
				}
				return out
			}
			single := w.order.AppendUint32(w.order.AppendUint32(nil, math.Float32bits(7)), math.Float32bits(-2))
			for _, tt := range []struct {
				class  Class
				stored elementType
				data   []byte
				second float64
			}{
				{Double, miDouble, w.doubles(7, -2), -2}, {Double, miInt8, minus(8), -2}, {Double, miUint8, minus(8), 254},
				{Single, miSingle, single, -2}, {Int8, miInt8, minus(8), -2}, {Uint8, miUint8, minus(8), 254},
				{Int16, miInt16, minus(16), -2}, {Uint16, miUint16, minus(16), 65534}, {Int32, miInt32, minus(32), -2},
				{Uint32, miUint32, minus(32), 4294967294}, {Int64, miInt64, minus(64), -2}, {Uint64, miUint64, minus(64), 18446744073709551614},
			} {
				element := w.element(tt.stored, tt.data)
				if len(tt.data) <= 4 {
					element = w.small(tt.stored, tt.data)
				}
				m := w.matrix("x", tt.class, 0, []int32{1, 2}, element)
				for form, data := range map[string][]byte{"plain": w.file(m), "compressed": w.file(w.compressed(m))} {
					f, err := Read(data)
					if err != nil {
						t.Errorf("%v as type %d, %s: %v", tt.class, tt.stored, form, err)
						continue
					}
					x := f.Variables[0]
					if got := must[[]float64](t)(x.Float64s()); x.Class != tt.class || !slices.Equal(got, []float64{7, tt.second}) {
						t.Errorf("%v as type %d, %s: %v array of %v", tt.class, tt.stored, form, x, got)
					}
				}
			}
		})
	}
}

// TestForms reads what else arrays may be.
func TestForms(t *testing.T) {
	for name, w := range orders {
		t.Run(name, func(t *testing.T) {
			utf32 := w.ints('a', 0x1f600)
			f, err := Read(w.file(
				w.matrix("z", Double, 0x800, []int32{1, 2}, w.element(miDouble, w.doubles(1, 2)), w.element(miDouble, w.doubles(3, -4))),
				w.matrix("rows", Char, 0, []int32{2, 3}, w.element(miUTF16, w.shorts('a', 'd', 'b', 'e', 'c', 'f'))),
				w.matrix("emoji", Char, 0, []int32{1, 2}, w.element(miUTF32, utf32)),
				w.matrix("pair", Char, 0, []int32{1, 3}, w.element(miUint16, w.shorts('a', 0xd83d, 0xde00))),
				w.matrix("latin", Char, 0, []int32{1, 1}, w.small(miUint8, []byte{0xe9})),
				w.matrix("none", Char, 0, []int32{0, 0}, w.element(miUTF8, nil)),
				w.matrix("empty", Double, 0, []int32{0, 3}, w.element(miDouble, nil)),
				w.matrix("yes", Uint8, 0x200, []int32{1, 1}, w.small(miUint8, []byte{1})),
				w.matrix("c", Cell, 0, []int32{1, 2}, w.element(miMatrix, nil), w.text("", "in")),
				w.structs("s", []int32{1, 2}, []string{"p", "q"}, w.text("", "p0"), w.text("", "q0"), w.text("", "p1"), w.text("", "q1")),
				w.structs("bare", []int32{1, 1}, nil),
			))
			if err != nil {
				t.Fatal(err)
			}
			z := variable(t, f, "z")
			if im := must[[]float64](t)(z.Imaginary()); !z.Complex || !slices.Equal(im, []float64{3, -4}) {
				t.Errorf("z has imaginary parts %v", im)
			}
			if rows := must[[]string](t)(variable(t, f, "rows").Rows()); !slices.Equal(rows, []string{"abc", "def"}) {
				t.Errorf("rows are %q", rows)
			}
			for name, want := range map[string]string{"emoji": "a😀", "pair": "a😀", "latin": "é", "none": ""} {
				if got := must[string](t)(variable(t, f, name).Text()); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if got := must[[]float64](t)(variable(t, f, "empty").Float64s()); len(got) != 0 {
				t.Errorf("empty is %v", got)
			}
			if got := must[[]bool](t)(variable(t, f, "yes").Bools()); !slices.Equal(got, []bool{true}) {
				t.Errorf("yes is %v", got)
			}
			c := variable(t, f, "c")
			if first := must[*Array](t)(c.Cell(0)); first.Len() != 0 || first.Class != Double {
				t.Errorf("c{0} is a %v array", first)
			}
			if got := must[string](t)(must[*Array](t)(c.Cell(1)).Text()); got != "in" {
				t.Errorf("c{1} is %q", got)
			}
			if got := must[string](t)(must[*Array](t)(variable(t, f, "s").Field(1, "q")).Text()); got != "q1" {
				t.Errorf("s(1).q is %q", got)
			}
		})
	}
}

// TestRefuses holds that what cannot be read is an error of one line, which
// says what it is.
func TestRefuses(t *testing.T) {
	w := orders["little"]
	whole := w.file(w.text("s", "hello"))
	nest := w.element(miMatrix, nil)
	for range maxDepth {
		nest = w.matrix("", Cell, 0, []int32{1, 1}, nest)
	}
	bomb := w.matrix("x", Uint8, 0, []int32{1, 1 << 24}, w.element(miUint8, make([]byte, 1<<24)))
	tests := map[string]struct {
		data []byte
		want string
	}{
		"nothing":         {nil, "0 bytes, want a MAT-file"},
		"text":            {[]byte(strings.Repeat("name,year\n", 20)), "no MAT-file"},
		"hdf5":            {append([]byte("MATLAB 7.3 MAT-file, Platform: GLNXA64"), make([]byte, 200)...), "version 7.3 (HDF5)"},
		"bare hdf5":       {[]byte("\x89HDF\r\n\x1a\n"), "version 7.3 (HDF5)"},
		"level 4":         {make([]byte, 200), "version 4"},
		"version":         {slices.Replace(slices.Clone(whole), 124, 126, 0, 3), "version 0x0300, want 0x0100"},
		"cut":             {whole[:len(whole)-4], "variable 0, byte 128: byte 128: an element of 64 bytes, but 60 are left"},
		"cut tag":         {whole[:132], "want an element's tag of 8"},
		"twice":           {w.file(w.text("s", "a"), w.text("s", "b")), `variable "s", byte 200: is there already`},
		"hdf5, own text":  {slices.Replace(slices.Clone(whole), 124, 126, 0, 2), "version 7.3 (HDF5)"},
		"hdf5, own block": {append(bytes.Repeat([]byte("x"), 1024), "\x89HDF\r\n\x1a\n"...), "version 7.3 (HDF5)"},
		"Octave":          {[]byte("# Created by Octave 8.4.0, Tue Jan 02 2024 <u@h>\n# name: x\n" + strings.Repeat(" ", 128)), "a file of Octave's own format"},
		"Git LFS":         {[]byte("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer, not the file itself, want a MAT-file"},
		"class 99":        {w.file(w.matrix("m", 99, 0, []int32{1, 1})), `variable "m", byte 128: class class 99 is not read`},
		"long name":       {w.file(w.text(strings.Repeat("n", 200), "s"), w.text(strings.Repeat("n", 200), "s")), `(140 more bytes), byte 392: is there already`},
		"no matrix":       {w.file(w.element(miDouble, w.doubles(1))), "an element of type 9, want a matrix"},
		"deep":            {w.file(nest), "more than 32 arrays within arrays"},
		"negative":        {w.file(w.matrix("m", Double, 0, []int32{-1, 1})), "dimensions: -1 is below 0"},
		"huge":            {w.file(w.matrix("m", Double, 0, []int32{1 << 30, 1 << 30})), "more than 2147483647 elements"},
		"one dimension":   {w.file(w.matrix("m", Double, 0, []int32{1})), "dimensions: 4 bytes of type 5"},
		"few numbers":     {w.file(w.matrix("m", Double, 0, []int32{1, 2}, w.element(miDouble, w.doubles(1)))), "8 bytes of type 9 for a 1x2 double array"},
		"text for number": {w.file(w.matrix("m", Double, 0, []int32{1, 2}, w.element(miUTF8, []byte("ab")))), "2 bytes of type 16"},
		"many cells":      {w.file(w.matrix("m", Cell, 0, []int32{1 << 10, 1 << 20})), "1073741824 elements in 0 bytes"},
		"many fields":     {w.file(w.structs("m", []int32{1 << 15, 1 << 15}, []string{"a", "b"})), "fields"},
		"field twice":     {w.file(w.structs("m", []int32{1, 1}, []string{"a", "a"})), `field "a" is there already`},
		"cell in struct":  {w.file(w.structs("m", []int32{1, 1}, []string{"a"}, w.element(miDouble, nil))), `element 0, field "a": an element of type 9`},
		"not UTF-8":       {w.file(w.matrix("m", Char, 0, []int32{1, 1}, w.element(miUTF8, []byte{0xff}))), "not UTF-8"},
		"characters":      {w.file(w.matrix("m", Char, 0, []int32{1, 3}, w.element(miUTF8, []byte("ab")))), "2 characters for a 1x3 char array"},
		"bomb":            {w.file(w.compressed(bomb)), "takes more memory than 256 times"},
		"bad zlib":        {w.file(w.element(miCompressed, []byte("no zlib here"))), "inflate: zlib: invalid header"},
		"two in one":      {w.file(w.compressed(append(w.text("a", "x"), 0))), "more than one element"},
		"nested zlib":     {w.file(w.compressed(w.compressed(nest))), "a compressed element of type 15"},
	}
	sum := slices.Clone(w.file(w.compressed(w.text("s", "hello"))))
	sum[len(sum)-1] ^= 1
	tests["checksum"] = struct {
		data []byte
		want string
	}{sum, "inflate: zlib: invalid checksum"}
	for name, tt := range tests {
		_, err := Read(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
	}
}

// TestAccessors holds that an array asked for what it is not says what it is.
func TestAccessors(t *testing.T) {
	w := orders["big"]
	f, err := Read(w.file(
		w.text("s", "hello"), w.matrix("x", Double, 0, []int32{1, 2}, w.element(miDouble, w.doubles(1, 2))),
		w.matrix("half", Double, 0, []int32{1, 1}, w.element(miDouble, w.doubles(0.5))),
		w.structs("st", []int32{1, 1}, []string{"p"}, w.text("", "in")),
	))
	if err != nil {
		t.Fatal(err)
	}
	s, x, half, st := f.Variables[0], f.Variables[1], f.Variables[2], f.Variables[3]
	_, missing := f.Variable("y")
	_, number := s.Float64s()
	_, text := x.Text()
	_, cell := x.Cell(0)
	_, one := x.Int64()
	_, whole := half.Int64()
	_, field := st.Field(0, "q")
	_, element := st.Field(1, "p")
	_, bools := x.Bools()
	for want, err := range map[string]error{
		`no variable "y", it has "s", "x", "half", "st"`: missing, "a 1x5 char array, want numbers": number, "a 1x2 double array, want a row of characters": text,
		"want a cell array": cell, "want one number": one, "0.5, want a whole number": whole, `no field "q", there are "p"`: field, "element 1 of 1": element,
		"want a logical one": bools,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestReadFileNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mat")
	if err := os.WriteFile(path, []byte("short"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("error %v, want the path", err)
	}
}
