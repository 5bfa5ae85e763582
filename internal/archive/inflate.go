package archive

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// This file unpacks gzip files (RFC 1952, of deflate streams, RFC 1951) so that it can
// go on from places within, which the standard library's reader cannot.

const (
	window    = 32 << 10 // bytes that a copy may reach back
	unpacked  = 64 << 10 // about how many bytes are unpacked at a time
	fastBits  = 9        // codes of at most this length are looked up at once
	endOfCode = 256
)

// The modes of a state.
const (
	atHeader = iota // of a gzip member
	atBlock
	inStored
	inCodes
	atTrailer
	atEnd
)

// state is a place in a gzip file: what is needed to go on from there, except the window.
type state struct {
	at       int64  // of the next byte to read, in the file
	bits     uint64 // read and not used yet, the next one lowest
	n        uint   // how many
	mode     int
	final    bool  // the block is the last one of its member
	left     int   // bytes of a stored block
	lengths  []int // of the block's codes, literals before distances
	literals int
	out      int64 // bytes unpacked
	start    int64 // out where the member began
	again    bool  // a member came before this one
}

// inflater unpacks a gzip file from a state on. As a reader it returns the unpacked bytes.
type inflater struct {
	state
	ctx    context.Context // ends reading of src; nil of a member's
	src    io.ReaderAt
	buf    []byte // of src, from bufAt on
	bufAt  int64
	hist   []byte // unpacked: the window, and behind it what Read returns
	read   int    // how many bytes of hist were returned, or are of the window
	lit    huffman
	dist   huffman
	verify bool // compare checksums; only from the file's first byte on
	crc    uint32
	err    error
}

var (
	errDeflate  = errors.New("compressed data is damaged")
	errTrailing = fmt.Errorf("%w: bytes behind a gzip member that are not one", errDeflate)
)

// newInflater goes on from a state with the bytes that were unpacked before it.
func newInflater(src io.ReaderAt, from state, before []byte) (*inflater, error) {
	z := &inflater{state: from, src: src, hist: make([]byte, 0, window+unpacked+258)}
	z.hist = append(z.hist, before...)
	z.read = len(z.hist)
	if z.mode == inCodes {
		if err := z.tables(); err != nil {
			return nil, err
		}
	}
	return z, nil
}

// Read returns unpacked bytes. Damage is errDeflate, a file that ends early
// io.ErrUnexpectedEOF. Bytes behind a whole gzip member that do not begin another one are
// errTrailing.
func (z *inflater) Read(p []byte) (int, error) {
	if err := z.more(); err != nil {
		return 0, err
	}
	n := copy(p, z.hist[z.read:])
	z.read += n
	return n, nil
}

// position is where in the unpacked bytes Read goes on.
func (z *inflater) position() int64 { return z.out - int64(len(z.hist)-z.read) }

// more unpacks some bytes unless there are some to return.
func (z *inflater) more() error {
	for z.read == len(z.hist) {
		if z.err != nil {
			return z.err
		}
		if len(z.hist) > window {
			z.hist = append(z.hist[:0], z.hist[len(z.hist)-window:]...)
		}
		z.read = len(z.hist)
		z.err = z.unpack()
		if made := z.hist[z.read:]; z.verify {
			z.crc = crc32.Update(z.crc, crc32.IEEETable, made)
		}
	}
	return nil
}

// unpack adds bytes to hist until there are enough, or the mode is one in which there
// are none. It returns io.EOF at the end of the file.
func (z *inflater) unpack() error {
	for {
		var err error
		switch z.mode {
		case atHeader:
			err = z.header()
		case atBlock:
			err = z.block()
		case inStored:
			err = z.stored()
		case inCodes:
			err = z.codes()
		case atTrailer:
			if len(z.hist) > z.read {
				return nil // the checksum is of these bytes too
			}
			err = z.trailer()
		default:
			return io.EOF
		}
		if err != nil || len(z.hist)-z.read >= unpacked {
			return err
		}
	}
}

// next returns the next byte of the file.
func (z *inflater) next() (byte, error) {
	i := z.at - z.bufAt
	if i < 0 || i >= int64(len(z.buf)) {
		// Here, as many blocks and members may be empty.
		if z.ctx != nil && z.ctx.Err() != nil {
			return 0, z.ctx.Err()
		}
		const each = 16 << 10
		if cap(z.buf) < each {
			z.buf = make([]byte, each)
		}
		n, err := z.src.ReadAt(z.buf[:each], z.at)
		z.buf, z.bufAt, i = z.buf[:n], z.at, 0
		if n == 0 {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	z.at++
	return z.buf[i], nil
}

// fill reads bits until there are want of them.
func (z *inflater) fill(want uint) error {
	for z.n < want {
		b, err := z.next()
		if err != nil {
			return err
		}
		z.bits |= uint64(b) << z.n
		z.n += 8
	}
	return nil
}

// take returns the next bits as a number.
func (z *inflater) take(n uint) (int, error) {
	if err := z.fill(n); err != nil {
		return 0, err
	}
	v := z.bits & (1<<n - 1)
	z.bits >>= n
	z.n -= n
	return int(v), nil
}

// align drops the bits up to the next byte of the file, and goes back to that one.
func (z *inflater) align() {
	z.at -= int64(z.n / 8)
	z.bits, z.n = 0, 0
}

// header reads the header of a gzip member, or finds the end of the file. Zeros that
// fill up the last block of a tape are taken for the end.
func (z *inflater) header() error {
	first, err := z.next()
	if z.again {
		for err == nil && first == 0 {
			first, err = z.next()
		}
		if err == io.ErrUnexpectedEOF {
			z.mode = atEnd
			return nil
		}
	}
	if err != nil {
		return err
	}
	for i, want := range []byte("\x1f\x8b\x08") {
		if i > 0 {
			if first, err = z.next(); err != nil {
				return err
			}
		}
		switch {
		case first == want:
		case z.again:
			return errTrailing
		default:
			return errDeflate
		}
	}
	var fixed [7]byte // flags, time and system
	if err := z.bytes(fixed[:]); err != nil {
		return err
	}
	flags := fixed[0]
	if flags&4 != 0 { // extra field
		var length [2]byte
		if err := z.bytes(length[:]); err != nil {
			return err
		}
		z.at += int64(length[0]) | int64(length[1])<<8
	}
	for _, text := range []byte{8, 16} { // name, comment
		for flags&text != 0 {
			b, err := z.next()
			if err != nil {
				return err
			}
			if b == 0 {
				break
			}
		}
	}
	if flags&2 != 0 { // checksum of the header
		z.at += 2
	}
	z.mode, z.start, z.crc = atBlock, z.out, 0
	return nil
}

// bytes reads whole bytes.
func (z *inflater) bytes(p []byte) error {
	for i := range p {
		var err error
		if p[i], err = z.next(); err != nil {
			return err
		}
	}
	return nil
}

// trailer compares checksum and length of a member.
func (z *inflater) trailer() error {
	z.align()
	var t [8]byte
	if err := z.bytes(t[:]); err != nil {
		return err
	}
	sum := uint32(t[0]) | uint32(t[1])<<8 | uint32(t[2])<<16 | uint32(t[3])<<24
	length := uint32(t[4]) | uint32(t[5])<<8 | uint32(t[6])<<16 | uint32(t[7])<<24
	if z.verify && (sum != z.crc || length != uint32(z.out-z.start)) {
		return errDeflate
	}
	z.mode, z.again = atHeader, true
	return nil
}
