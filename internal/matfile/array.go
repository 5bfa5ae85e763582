package matfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/clipnh/clipnh/internal/foreign"
)

// A Class is what an array is to MATLAB.
type Class uint8

// The classes that are read.
const (
	Cell   Class = 1
	Struct Class = 2
	Char   Class = 4
	Double Class = 6
	Single Class = 7
	Int8   Class = 8
	Uint8  Class = 9
	Int16  Class = 10
	Uint16 Class = 11
	Int32  Class = 12
	Uint32 Class = 13
	Int64  Class = 14
	Uint64 Class = 15

	// Arrays of these have no elements here.
	object         Class = 3
	sparse         Class = 5
	functionHandle Class = 16
	opaque         Class = 17
)

var classNames = map[Class]string{
	Cell: "cell", Struct: "struct", object: "object", Char: "char", sparse: "sparse", Double: "double", Single: "single", Int8: "int8", Uint8: "uint8",
	Int16: "int16", Uint16: "uint16", Int32: "int32", Uint32: "uint32", Int64: "int64", Uint64: "uint64",
	functionHandle: "function handle", opaque: "opaque (an object or a table)",
}

func (c Class) String() string {
	if name, ok := classNames[c]; ok {
		return name
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// unread says whether arrays of a class are passed over.
func (c Class) unread() bool {
	return c == object || c == sparse || c == functionHandle || c == opaque
}

// numeric says whether arrays of a class hold numbers.
func (c Class) numeric() bool { return c >= Double && c <= Uint64 }

// An Array is a MATLAB value.
type Array struct {
	Name    string // of a variable; empty within another array
	Class   Class
	Logical bool  // of class Uint8: true and false
	Complex bool  // numbers have an imaginary part
	Dims    []int // at least two

	real, imag numbers  // of numeric classes
	units      []uint16 // of Char: UTF-16
	fields     []string // of Struct
	inner      []*Array // of Cell [elements], of Struct [elements,fields]
}

// Len is the number of elements.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Dims {
		n *= d
	}
	return n
}

// String writes the dimensions and the class: "7x3 double".
func (a *Array) String() string {
	var b strings.Builder
	for i, d := range a.Dims {
		if i > 0 {
			b.WriteByte('x')
		}
		fmt.Fprint(&b, d)
	}
	return b.String() + " " + a.Class.String()
}

// Fields are the names of a struct's fields, in their order.
func (a *Array) Fields() []string { return a.fields }

// Cell returns element i of a cell array.
func (a *Array) Cell(i int) (*Array, error) {
	if a.Class != Cell {
		return nil, fmt.Errorf("a %v array, want a cell array", a)
	}
	if i < 0 || i >= len(a.inner) {
		return nil, fmt.Errorf("cell %d of %d", i, len(a.inner))
	}
	return a.inner[i], nil
}

// Field returns a field of element i of a struct array.
func (a *Array) Field(i int, name string) (*Array, error) {
	if a.Class != Struct {
		return nil, fmt.Errorf("a %v array, want a struct array", a)
	}
	if i < 0 || i >= a.Len() {
		return nil, fmt.Errorf("element %d of %d", i, a.Len())
	}
	for f, is := range a.fields {
		if is == name {
			return a.inner[i*len(a.fields)+f], nil
		}
	}
	return nil, fmt.Errorf("no field %q, there are %s", name, foreign.QuoteAll(a.fields))
}

// Text returns what a row of characters says; none is the empty text.
func (a *Array) Text() (string, error) {
	if a.Class != Char || a.Len() > 0 && a.Dims[0] != 1 {
		return "", fmt.Errorf("a %v array, want a row of characters", a)
	}
	return string(utf16.Decode(a.units)), nil
}

// Rows returns the rows of a matrix of characters.
func (a *Array) Rows() ([]string, error) {
	if a.Class != Char || len(a.Dims) != 2 {
		return nil, fmt.Errorf("a %v array, want a matrix of characters", a)
	}
	n, m := a.Dims[0], a.Dims[1]
	if n*m != len(a.units) || m == 0 {
		return nil, fmt.Errorf("a %v array, want one with an element for each character", a)
	}
	rows, row := make([]string, n), make([]uint16, m)
	for i := range rows {
		for j := range row {
			row[j] = a.units[j*n+i]
		}
		rows[i] = string(utf16.Decode(row))
	}
	return rows, nil
}

// Float64s returns the real parts of the elements, in memory of their own of
// eight bytes each; integers beyond 2^53 are rounded.
func (a *Array) Float64s() ([]float64, error) { return a.floats(a.real) }

// Imaginary returns the imaginary parts, zeros where there are none.
func (a *Array) Imaginary() ([]float64, error) {
	if a.Class.numeric() && !a.Complex {
		return make([]float64, a.real.count()), nil
	}
	return a.floats(a.imag)
}

func (a *Array) floats(part numbers) ([]float64, error) {
	if !a.Class.numeric() {
		return nil, fmt.Errorf("a %v array, want numbers", a)
	}
	values := make([]float64, part.count())
	for i := range values {
		values[i] = part.at(i)
	}
	return values, nil
}

// Int64 returns the only element as a whole number.
func (a *Array) Int64() (int64, error) {
	if !a.Class.numeric() || a.Len() != 1 || a.Complex {
		return 0, fmt.Errorf("a %v array, want one number", a)
	}
	if u, ok := a.real.whole(0); ok {
		return u, nil
	}
	return 0, fmt.Errorf("%g, want a whole number", a.real.at(0))
}

// Bools returns the elements of a logical array.
func (a *Array) Bools() ([]bool, error) {
	if !a.Logical {
		return nil, fmt.Errorf("a %v array, want a logical one", a)
	}
	values := make([]bool, a.real.count())
	for i := range values {
		values[i] = a.real.at(i) != 0
	}
	return values, nil
}

// numbers are elements as they lie in the file.
type numbers struct {
	kind  elementType
	order binary.ByteOrder
	data  []byte
}

func (n numbers) count() int {
	if len(n.data) == 0 {
		return 0
	}
	return len(n.data) / n.kind.size()
}

func (n numbers) at(i int) float64 {
	switch n.kind {
	case miSingle:
		return float64(math.Float32frombits(n.order.Uint32(n.data[4*i:])))
	case miDouble:
		return math.Float64frombits(n.order.Uint64(n.data[8*i:]))
	case miUint64:
		return float64(n.order.Uint64(n.data[8*i:]))
	}
	v, _ := n.whole(i)
	return float64(v)
}

// whole is element i as an int64, if it is one.
func (n numbers) whole(i int) (int64, bool) {
	switch n.kind {
	case miInt8:
		return int64(int8(n.data[i])), true
	case miUint8:
		return int64(n.data[i]), true
	case miInt16:
		return int64(int16(n.order.Uint16(n.data[2*i:]))), true
	case miUint16:
		return int64(n.order.Uint16(n.data[2*i:])), true
	case miInt32:
		return int64(int32(n.order.Uint32(n.data[4*i:]))), true
	case miUint32:
		return int64(n.order.Uint32(n.data[4*i:])), true
	case miInt64:
		return int64(n.order.Uint64(n.data[8*i:])), true
	case miUint64:
		u := n.order.Uint64(n.data[8*i:])
		return int64(u), u <= math.MaxInt64
	}
	x := n.at(i)
	const beyond = 1 << 63
	return int64(x), x == math.Trunc(x) && x >= -beyond && x < beyond
}
