package imageprep

import (
	"errors"
	"io"
)

// packBits reads Apple's run-length code: a byte n from 0 to 127 and n+1 bytes, or
// a byte -n and one that is there n+1 times; -128 is nothing.
type packBits struct {
	b     []byte
	left  int  // of the run in hand
	again bool // its bytes are all the first of b
}

func (r *packBits) Read(p []byte) (int, error) {
	for i := range p {
		for r.left == 0 {
			if len(r.b) == 0 {
				return i, io.EOF
			}
			n := int(int8(r.b[0]))
			r.b = r.b[1:]
			if n >= 0 {
				r.left, r.again = n+1, false
			} else if n != -128 {
				r.left, r.again = 1-n, true
			}
		}
		if len(r.b) == 0 {
			return i, io.ErrUnexpectedEOF
		}
		p[i] = r.b[0]
		if r.left--; !r.again || r.left == 0 {
			r.b = r.b[1:]
		}
	}
	return len(p), nil
}

const (
	lzwClear = 256
	lzwEnd   = 257
	lzwFirst = 258 // of the codes that stand for strings
	lzwMost  = 12  // bits of a code
)

// tiffLZW reads LZW as TIFF has it: codes of 9 to 12 bits, the highest bit first,
// which grow one code before they must.
type tiffLZW struct {
	b     []byte
	acc   uint32
	bits  int // in acc
	width int // of a code
	next  int // the code of the next string
	last  int // the code before, -1 after a clear code

	// A string is another one and a byte.
	prefix [1 << lzwMost]uint16
	suffix [1 << lzwMost]byte

	ready []byte // what is still to be handed out, within text
	text  [1 << lzwMost]byte
}

func (r *tiffLZW) reset(b []byte) {
	r.b, r.acc, r.bits, r.ready = b, 0, 0, nil
	r.clear()
}

func (r *tiffLZW) clear() { r.width, r.next, r.last = 9, lzwFirst, -1 }

func (r *tiffLZW) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.ready) == 0 {
			if err := r.decode(); err != nil {
				return n, err
			}
		}
		k := copy(p[n:], r.ready)
		n, r.ready = n+k, r.ready[k:]
	}
	return n, nil
}

var errLZW = errors.New("damaged LZW data")

// decode reads codes up to one that stands for bytes.
func (r *tiffLZW) decode() error {
	for {
		for r.bits < r.width {
			if len(r.b) == 0 {
				return io.EOF
			}
			r.acc = r.acc<<8 | uint32(r.b[0])
			r.b = r.b[1:]
			r.bits += 8
		}
		r.bits -= r.width
		code := int(r.acc >> r.bits & (1<<r.width - 1))
		switch {
		case code == lzwClear:
			r.clear()
			continue
		case code == lzwEnd:
			r.b, r.bits = nil, 0
			return io.EOF
		case r.last < 0 && code > 255, code > r.next:
			return errLZW
		}
		r.expand(code)
		return nil
	}
}

// expand makes the bytes of a code ready, and a string of the code before and the
// first of them.
func (r *tiffLZW) expand(code int) {
	at, from := len(r.text), code
	if code == r.next { // the string that is about to be made: it ends as it begins
		at--
		from = r.last
	}
	for from >= lzwFirst {
		at--
		r.text[at] = r.suffix[from]
		from = int(r.prefix[from])
	}
	at--
	r.text[at] = byte(from)
	if code == r.next {
		r.text[len(r.text)-1] = byte(from)
	}
	r.ready = r.text[at:]
	if r.last >= 0 && r.next < 1<<lzwMost {
		r.prefix[r.next], r.suffix[r.next] = uint16(r.last), byte(from)
		r.next++
		if r.next == 1<<r.width-1 && r.width < lzwMost {
			r.width++
		}
	}
	r.last = code
}
