package matfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// FuzzRead holds that any bytes give arrays, or an error of one line, within the
// memory that the package promises.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{
		testutil.Golden("interop/*.mat"), testutil.Golden("shift/devkit/*.mat"),
		filepath.Join("..", "demo", "assets", "stanford_cars", "devkit", "*.mat"),
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds at %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, w := range orders {
		m := w.structs("s", []int32{1, 2}, []string{"p", "q"}, w.text("", "p0"), w.element(miMatrix, nil),
			w.matrix("", Cell, 0, []int32{1, 1}, w.text("", "in")), w.matrix("", Double, 0x800, []int32{1, 1}, w.element(miDouble, w.doubles(1)), w.small(miInt8, []byte{2})))
		f.Add(w.file(m, w.matrix("u", Char, 0, []int32{1, 2}, w.element(miUTF16, w.shorts('a', 'b')))))
		f.Add(w.file(w.compressed(m)))
		f.Add(w.file(w.matrix("s", sparse, 0, []int32{1, 1}, w.element(miInt32, w.ints(0))), w.compressed(w.matrix("f", functionHandle, 0, []int32{1, 1})),
			w.element(miMatrix, append(w.element(miUint32, w.ints(int32(opaque), 0)), w.element(miInt8, []byte("t"))...)), m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *File
		// Garbage counts too, and the inflater's own tables.
		if !testutil.Parsed(t, 2*(budgetTimes*int64(len(data))+budgetLeast), func() (err error) {
			file, err = Read(data)
			return err
		}) {
			return
		}
		for _, v := range file.Variables {
			walk(v)
		}
	})
}

// walk asks an array for all it may have.
func walk(a *Array) {
	a.Text()
	a.Rows()
	a.Float64s()
	a.Imaginary()
	a.Int64()
	a.Bools()
	for i := range a.inner {
		a.Cell(i)
	}
	for i := 0; i < a.Len() && len(a.fields) > 0; i++ {
		for _, f := range a.fields {
			a.Field(i, f)
		}
	}
	for _, in := range a.inner {
		walk(in)
	}
}
