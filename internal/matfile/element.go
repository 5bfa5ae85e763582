package matfile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// An elementType says how the bytes of an element are to be read.
type elementType uint32

const (
	miInt8       elementType = 1
	miUint8      elementType = 2
	miInt16      elementType = 3
	miUint16     elementType = 4
	miInt32      elementType = 5
	miUint32     elementType = 6
	miSingle     elementType = 7
	miDouble     elementType = 9
	miInt64      elementType = 12
	miUint64     elementType = 13
	miMatrix     elementType = 14
	miCompressed elementType = 15
	miUTF8       elementType = 16
	miUTF16      elementType = 17
	miUTF32      elementType = 18
)

// size is that of a number of type t in bytes, 0 if t is no type of numbers.
func (t elementType) size() int {
	switch t {
	case miInt8, miUint8:
		return 1
	case miInt16, miUint16:
		return 2
	case miInt32, miUint32, miSingle:
		return 4
	case miInt64, miUint64, miDouble:
		return 8
	}
	return 0
}

// A budget is the memory that is left for reading a file.
type budget struct{ left int64 }

var errBudget = fmt.Errorf("takes more memory than %d times the file's size and %d MiB", budgetTimes, budgetLeast>>20)

// take fails where less than n bytes are left.
func (b *budget) take(n int64) error {
	if n < 0 || n > b.left {
		return errBudget
	}
	b.left -= n
	return nil
}

// A block is bytes of the file, or of an inflated element, and how far they were
// read.
type block struct {
	data  []byte
	pos   int
	order binary.ByteOrder
}

func (b *block) rest() int { return len(b.data) - b.pos }

// next reads an element, all of whose bytes must be there.
func (b *block) next() (elementType, []byte, error) {
	if b.rest() < 8 {
		return 0, nil, fmt.Errorf("byte %d: %d bytes, want an element's tag of 8", b.pos, b.rest())
	}
	first := b.order.Uint32(b.data[b.pos:])
	if size := int(first >> 16); size != 0 { // small: all of it in 8 bytes
		if size > 4 {
			return 0, nil, fmt.Errorf("byte %d: a small element of %d bytes, want up to 4", b.pos, size)
		}
		data := b.data[b.pos+4 : b.pos+4+size]
		b.pos += 8
		return elementType(first & 0xffff), data, nil
	}
	size := int64(b.order.Uint32(b.data[b.pos+4:]))
	if size > int64(b.rest()-8) {
		return 0, nil, fmt.Errorf("byte %d: an element of %d bytes, but %d are left", b.pos, size, b.rest()-8)
	}
	start := b.pos + 8
	b.pos = start + int(size)
	data := b.data[start:b.pos]
	if t := elementType(first); t != miCompressed {
		b.pos = min(len(b.data), start+(int(size)+7)&^7)
	}
	return elementType(first), data, nil
}

// inflate returns what a zlib stream holds, which its first bytes, an element's
// tag, tell the size of.
func inflate(stream []byte, order binary.ByteOrder, left *budget) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	defer z.Close()
	tag := make([]byte, 8)
	if _, err := io.ReadFull(z, tag); err != nil {
		return nil, fmt.Errorf("inflate: %w", noEOF(err))
	}
	if t := elementType(order.Uint32(tag)); t != miMatrix {
		return nil, fmt.Errorf("a compressed element of type %d, want a matrix", t)
	}
	size := int64(order.Uint32(tag[4:]))
	// Deflate makes at most 1032 bytes of one; no more is taken on a tag's word.
	if most := 1032 * int64(len(stream)); size > most {
		return nil, fmt.Errorf("inflate: a matrix of %d bytes from %d", size, len(stream))
	}
	if err := left.take(8 + size); err != nil {
		return nil, err
	}
	data := append(make([]byte, 0, 8+size), tag...)
	data = data[:8+size]
	if _, err := io.ReadFull(z, data[8:]); err != nil {
		return nil, fmt.Errorf("inflate: %w", noEOF(err))
	}
	switch n, err := io.ReadFull(z, tag[:1]); { // also checks the sum at the end
	case n > 0:
		return nil, errors.New("inflate: more than one element")
	case err != io.EOF:
		return nil, fmt.Errorf("inflate: %w", err)
	}
	return data, nil
}

// noEOF makes an end that comes early an error of its own.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
