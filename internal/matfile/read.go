package matfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/foreign"
)

const headerSize = 128

// arrayBytes is more than an Array takes, its pointer and its dimensions
// included.
const arrayBytes = 400

// Read reads a MAT-file from its bytes, which the arrays go on to share.
func Read(data []byte) (*File, error) {
	order, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	left := &budget{budgetTimes*int64(len(data)) + budgetLeast}
	f := &File{}
	seen := map[string]bool{}
	for b := (block{data, headerSize, order}); b.rest() > 0; {
		at := b.pos
		t, element, err := b.next()
		if err == nil {
			switch t {
			case miMatrix:
			case miCompressed:
				element, err = inflate(element, order, left)
				if err == nil {
					element = element[8:]
				}
			default:
				err = fmt.Errorf("an element of type %d, want a matrix", t)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("variable %d, byte %d: %w", len(f.Variables), at, err)
		}
		r := reader{order, left}
		v, err := r.array(element, 0)
		if err != nil {
			label := fmt.Sprintf("%d", len(f.Variables))
			if v != nil && v.Name != "" {
				label = foreign.Quote(v.Name)
			}
			return nil, fmt.Errorf("variable %s, byte %d: %w", label, at, err)
		}
		if seen[v.Name] && v.Name != "" { // MATLAB's own, of objects, have no name
			return nil, fmt.Errorf("variable %s, byte %d: is there already", foreign.Quote(v.Name), at)
		}
		seen[v.Name] = true
		f.Variables = append(f.Variables, v)
	}
	return f, nil
}

// readHeader checks a file's first bytes and returns its byte order.
func readHeader(data []byte) (binary.ByteOrder, error) {
	switch {
	case isHDF5(data):
		return nil, hinted{errors.New("a MAT-file of version 7.3 (HDF5), want one of version 5 to 7"), saveAgain}
	case bytes.HasPrefix(data, []byte("# Created by Octave")), bytes.HasPrefix(data, []byte("Octave-1-")):
		return nil, hinted{errors.New("a file of Octave's own format, want a MAT-file of version 5 to 7"), saveAgain}
	case foreign.Mistaken(data) != nil:
		return nil, fmt.Errorf("%w, want a MAT-file", foreign.Mistaken(data))
	case len(data) < headerSize:
		return nil, fmt.Errorf("%d bytes, want a MAT-file with a header of %d", len(data), headerSize)
	case bytes.IndexByte(data[:4], 0) >= 0:
		return nil, hinted{errors.New("a MAT-file of version 4, or none, want one of version 5 to 7"), saveAgain}
	}
	var order binary.ByteOrder
	switch string(data[126:128]) {
	case "IM":
		order = binary.LittleEndian
	case "MI":
		order = binary.BigEndian
	default:
		return nil, fmt.Errorf("no MAT-file: bytes 126 and 127 are %q, want IM or MI", data[126:128])
	}
	if v := order.Uint16(data[124:]); v != 0x0100 {
		return nil, fmt.Errorf("a MAT-file of version %#04x, want 0x0100", v)
	}
	return order, nil
}

// isHDF5 tells a file of MATLAB's version 7.3, or another in HDF5: by the text or
// the version of its header, or by HDF5's signature, which may stand behind a
// block of the user's of 512 bytes or twice that, and so on.
func isHDF5(data []byte) bool {
	if bytes.HasPrefix(data, []byte("MATLAB 7.3 MAT-file")) {
		return true
	}
	if len(data) >= headerSize && (string(data[124:128]) == "\x00\x02IM" || string(data[124:128]) == "\x02\x00MI") {
		return true
	}
	for at := 0; at < len(data) && at <= 8192; at = max(512, 2*at) {
		if bytes.HasPrefix(data[at:], []byte("\x89HDF\r\n\x1a\n")) {
			return true
		}
	}
	return false
}

// saveAgain is the advice for files of other versions.
const saveAgain = "save it again with save(file, '-v7') in MATLAB or Octave, or scipy.io.savemat in Python"

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// reader reads the arrays of a file.
type reader struct {
	order binary.ByteOrder
	left  *budget
}

// array reads the elements of a matrix. Where it fails, what it returns has at
// most a name. An element of no bytes is the empty matrix.
func (r reader) array(data []byte, depth int) (*Array, error) {
	if depth == maxDepth {
		return nil, fmt.Errorf("more than %d arrays within arrays", maxDepth)
	}
	if err := r.left.take(arrayBytes); err != nil {
		return nil, err
	}
	a := &Array{Class: Double, Dims: []int{0, 0}}
	if len(data) == 0 {
		return a, nil
	}
	b := &block{data: data, order: r.order}
	t, flags, err := b.next()
	if err != nil {
		return a, fmt.Errorf("flags: %w", err)
	}
	if t != miUint32 || len(flags) != 8 {
		return a, fmt.Errorf("flags: %d bytes of type %d, want 8 of type %d", len(flags), t, miUint32)
	}
	word := r.order.Uint32(flags)
	a.Class, a.Logical, a.Complex = Class(word&0xff), word&0x200 != 0, word&0x800 != 0
	if a.Class == opaque { // has no dimensions
		if a.Name, err = r.name(b); err != nil {
			return a, fmt.Errorf("name: %w", err)
		}
		return a, nil
	}
	if a.Dims, err = r.dims(b); err != nil {
		return a, fmt.Errorf("dimensions: %w", err)
	}
	if a.Name, err = r.name(b); err != nil {
		return a, fmt.Errorf("name: %w", err)
	}
	switch {
	case a.Class.unread():
	case a.Class == Cell:
		err = r.cells(a, b, depth)
	case a.Class == Struct:
		err = r.structs(a, b, depth)
	case a.Class == Char:
		err = r.chars(a, b)
	case a.Class.numeric():
		if a.real, err = r.numbers(a, b); err == nil && a.Complex {
			if a.imag, err = r.numbers(a, b); err != nil {
				err = fmt.Errorf("imaginary part: %w", err)
			}
		}
	default:
		err = fmt.Errorf("class %v is not read", a.Class)
	}
	return a, err
}

func (r reader) dims(b *block) ([]int, error) {
	t, data, err := b.next()
	if err != nil {
		return nil, err
	}
	if t != miInt32 || len(data)%4 != 0 || len(data) < 8 || len(data) > 4*maxDims {
		return nil, fmt.Errorf("%d bytes of type %d, want 2 to %d numbers of type %d", len(data), t, maxDims, miInt32)
	}
	dims, total := make([]int, len(data)/4), int64(1)
	for i := range dims {
		d := int32(r.order.Uint32(data[4*i:]))
		if d < 0 {
			return nil, fmt.Errorf("%d is below 0", d)
		}
		if dims[i] = int(d); d > 0 && total > math.MaxInt32/int64(d) {
			return nil, fmt.Errorf("more than %d elements", math.MaxInt32)
		}
		total *= max(int64(d), 1)
	}
	return dims, nil
}

func (r reader) name(b *block) (string, error) {
	t, data, err := b.next()
	if err != nil {
		return "", err
	}
	if t != miInt8 && t != miUint8 && t != miUTF8 && len(data) > 0 || len(data) > maxName {
		return "", fmt.Errorf("%d bytes of type %d, want at most %d of type %d", len(data), t, maxName, miInt8)
	}
	return string(data), nil
}

// inner reads n arrays that follow each other.
func (r reader) inner(b *block, n, depth int, label func(i int) string) ([]*Array, error) {
	if n > b.rest()/8 {
		return nil, fmt.Errorf("%d elements in %d bytes", n, b.rest())
	}
	arrays := make([]*Array, n) // below arrayBytes each
	for i := range arrays {
		t, data, err := b.next()
		if err == nil && t != miMatrix {
			err = fmt.Errorf("an element of type %d, want a matrix", t)
		}
		if err == nil {
			arrays[i], err = r.array(data, depth+1)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label(i), err)
		}
	}
	return arrays, nil
}

func (r reader) cells(a *Array, b *block, depth int) (err error) {
	a.inner, err = r.inner(b, a.Len(), depth, func(i int) string { return fmt.Sprintf("cell %d", i) })
	return err
}

func (r reader) structs(a *Array, b *block, depth int) error {
	t, data, err := b.next()
	if err != nil {
		return fmt.Errorf("length of field names: %w", err)
	}
	if t != miInt32 || len(data) != 4 {
		return fmt.Errorf("length of field names: %d bytes of type %d, want 4 of type %d", len(data), t, miInt32)
	}
	width := int(int32(r.order.Uint32(data)))
	if width < 1 || width > maxName {
		return fmt.Errorf("length of field names: %d, want 1 to %d", width, maxName)
	}
	t, names, err := b.next()
	if err != nil {
		return fmt.Errorf("field names: %w", err)
	}
	if t != miInt8 && len(names) > 0 || len(names)%width != 0 || len(names)/width > maxFields {
		return fmt.Errorf("field names: %d bytes of type %d, want up to %d times %d of type %d", len(names), t, maxFields, width, miInt8)
	}
	if err := r.left.take(int64(len(names)/width) * (64 + int64(width))); err != nil {
		return err
	}
	seen := map[string]bool{}
	for ; len(names) > 0; names = names[width:] {
		name, _, _ := bytes.Cut(names[:width], []byte{0})
		if seen[string(name)] {
			return fmt.Errorf("field %s is there already", foreign.Quote(string(name)))
		}
		seen[string(name)] = true
		a.fields = append(a.fields, string(name))
	}
	if len(a.fields) > 0 && a.Len() > math.MaxInt32/len(a.fields) {
		return fmt.Errorf("%d elements of %d fields", a.Len(), len(a.fields))
	}
	a.inner, err = r.inner(b, a.Len()*len(a.fields), depth, func(i int) string {
		return fmt.Sprintf("element %d, field %s", i/len(a.fields), foreign.Quote(a.fields[i%len(a.fields)]))
	})
	return err
}

func (r reader) numbers(a *Array, b *block) (numbers, error) {
	t, data, err := b.next()
	if err != nil {
		return numbers{}, err
	}
	if len(data) == 0 && a.Len() == 0 {
		return numbers{}, nil
	}
	if t.size() == 0 || len(data) != a.Len()*t.size() {
		return numbers{}, fmt.Errorf("%d bytes of type %d for a %v array", len(data), t, a)
	}
	return numbers{t, r.order, data}, nil
}

// chars reads characters as UTF-16. Files of MATLAB count its units as elements,
// those of SciPy Unicode's characters.
func (r reader) chars(a *Array, b *block) error {
	t, data, err := b.next()
	if err != nil {
		return err
	}
	if err := r.left.take(8 * int64(len(data))); err != nil {
		return err
	}
	characters := -1
	a.units = make([]uint16, 0, len(data))
	switch t {
	case miUTF8:
		if !utf8.Valid(data) {
			return errors.New("characters are not UTF-8")
		}
		runes := []rune(string(data))
		characters = len(runes)
		for _, c := range runes {
			a.units = utf16.AppendRune(a.units, c)
		}
	case miInt8, miUint8:
		for _, c := range data {
			a.units = append(a.units, uint16(c))
		}
	case miUTF16, miUint16:
		if len(data)%2 != 0 {
			return fmt.Errorf("%d bytes of UTF-16", len(data))
		}
		for ; len(data) > 0; data = data[2:] {
			a.units = append(a.units, r.order.Uint16(data))
		}
	case miUTF32:
		if len(data)%4 != 0 {
			return fmt.Errorf("%d bytes of UTF-32", len(data))
		}
		for ; len(data) > 0; data = data[4:] {
			a.units = utf16.AppendRune(a.units, rune(r.order.Uint32(data)))
			characters++
		}
		characters++
	default:
		if a.Len() > 0 {
			return fmt.Errorf("characters of type %d", t)
		}
	}
	if n := a.Len(); len(a.units) != n && characters != n {
		return fmt.Errorf("%d characters for a %v array", len(a.units), a)
	}
	return nil
}
