package matfile

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPassedOver reads a variable behind, and a field beside, what is not read.
func TestPassedOver(t *testing.T) {
	for name, order := range map[string]interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}{"little": binary.LittleEndian, "big": binary.BigEndian} {
		t.Run(name, func(t *testing.T) {
			w := builder{order}
			indices := w.element(miInt32, w.ints(0, 1))
			handle := w.structs("", []int32{1, 1}, []string{"function"}, w.text("", "sin"))
			table := w.element(miMatrix, slices.Concat(
				w.element(miUint32, w.ints(17, 0)), w.element(miInt8, []byte("t")), w.element(miInt8, []byte("MCOS")),
				w.element(miInt8, []byte("table")), w.matrix("", Uint32, 0, []int32{1, 1}, w.element(miUint32, w.ints(1)))))
			data := w.file(
				w.matrix("s", 5, 0, []int32{2, 2}, indices, indices, w.element(miDouble, w.doubles(1, 2))),
				w.compressed(w.matrix("f", 16, 0, []int32{1, 1}, handle)),
				w.matrix("o", 3, 0, []int32{1, 1}, w.element(miInt8, []byte("inline"))),
				table,
				w.structs("a", []int32{1, 1}, []string{"f", "x"}, w.matrix("", 16, 0, []int32{1, 1}, handle), w.text("", "here")),
				w.matrix("", Uint8, 0, []int32{1, 1}, w.element(miUint8, []byte{1})), // MATLAB's own, of objects
				w.matrix("", Uint8, 0, []int32{1, 1}, w.element(miUint8, []byte{2})),
			)
			f, err := Read(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := must[string](t)(must[*Array](t)(variable(t, f, "a").Field(0, "x")).Text()); got != "here" {
				t.Errorf("the field beside a function handle is %q", got)
			}
			for name, want := range map[string]string{"s": "2x2 sparse", "f": "1x1 function handle", "o": "1x1 object", "t": "0x0 opaque (an object or a table)"} {
				v := variable(t, f, name)
				if v.String() != want {
					t.Errorf("%s is a %v array, want %s", name, v, want)
				}
				_, number := v.Float64s()
				_, text := v.Text()
				_, cell := v.Cell(0)
				_, field := v.Field(0, "x")
				for _, err := range []error{number, text, cell, field} {
					if bad := testutil.Line(err, "a "+want+" array, want"); bad != nil {
						t.Error(bad)
					}
				}
			}
		})
	}
}
