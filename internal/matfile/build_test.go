package matfile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"math"
)

// builder writes MAT-files by hand, in either byte order.
type builder struct {
	order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
}

func (w builder) file(elements ...[]byte) []byte {
	data := append(bytes.Repeat([]byte{' '}, 124), 0, 0, 'M', 'I')
	copy(data, "MATLAB 5.0 MAT-file")
	w.order.PutUint16(data[124:], 0x0100)
	w.order.PutUint16(data[126:], 'M'<<8|'I')
	return append(data, bytes.Join(elements, nil)...)
}

// element writes an element in the long form, padded.
func (w builder) element(t elementType, data []byte) []byte {
	out := w.order.AppendUint32(nil, uint32(t))
	out = append(w.order.AppendUint32(out, uint32(len(data))), data...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	return out
}

// small writes an element of up to four bytes in the short form.
func (w builder) small(t elementType, data []byte) []byte {
	out := w.order.AppendUint32(nil, uint32(len(data))<<16|uint32(t))
	return append(append(out, data...), make([]byte, 4-len(data))...)
}

func (w builder) ints(values ...int32) []byte {
	var out []byte
	for _, v := range values {
		out = w.order.AppendUint32(out, uint32(v))
	}
	return out
}

func (w builder) shorts(values ...uint16) []byte {
	var out []byte
	for _, v := range values {
		out = w.order.AppendUint16(out, v)
	}
	return out
}

func (w builder) doubles(values ...float64) []byte {
	var out []byte
	for _, v := range values {
		out = w.order.AppendUint64(out, math.Float64bits(v))
	}
	return out
}

// matrix writes a matrix; flags are those above its class.
func (w builder) matrix(name string, class Class, flags uint32, dims []int32, parts ...[]byte) []byte {
	body := w.element(miUint32, w.order.AppendUint32(w.order.AppendUint32(nil, uint32(class)|flags), 0))
	body = append(body, w.element(miInt32, w.ints(dims...))...)
	body = append(body, w.element(miInt8, []byte(name))...)
	return w.element(miMatrix, append(body, bytes.Join(parts, nil)...))
}

func (w builder) text(name, s string) []byte {
	return w.matrix(name, Char, 0, []int32{1, int32(len(s))}, w.element(miUTF8, []byte(s)))
}

// structs writes a struct array; values are by element, then by field.
func (w builder) structs(name string, dims []int32, fields []string, values ...[]byte) []byte {
	var names []byte
	for _, f := range fields {
		names = append(names, append([]byte(f), make([]byte, 8-len(f))...)...)
	}
	return w.matrix(name, Struct, 0, dims, append([][]byte{w.small(miInt32, w.ints(8)), w.element(miInt8, names)}, values...)...)
}

func (w builder) compressed(element []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(element)
	z.Close()
	out := w.order.AppendUint32(nil, uint32(miCompressed))
	return append(w.order.AppendUint32(out, uint32(b.Len())), b.Bytes()...)
}
