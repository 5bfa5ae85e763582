package archive

import (
	"bytes"
	"errors"
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

var errDeflate = errors.New("compressed data is damaged")

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
// io.ErrUnexpectedEOF.
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
	fixed := []byte{first, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := z.bytes(fixed[1:]); err != nil {
		return err
	}
	if !bytes.HasPrefix(fixed, []byte("\x1f\x8b\x08")) {
		return errDeflate
	}
	flags := fixed[3]
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

// block reads the head of a block.
func (z *inflater) block() error {
	if z.final {
		z.mode, z.final = atTrailer, false
		return nil
	}
	head, err := z.take(3)
	if err != nil {
		return err
	}
	z.final = head&1 != 0
	switch head >> 1 {
	case 0:
		z.align()
		var t [4]byte
		if err := z.bytes(t[:]); err != nil {
			return err
		}
		z.left = int(t[0]) | int(t[1])<<8
		if z.left != 0xffff&^(int(t[2])|int(t[3])<<8) {
			return errDeflate
		}
		z.mode = inStored
		return nil
	case 1:
		z.lengths, z.literals = fixedLengths, 288
	case 2:
		if err := z.readLengths(); err != nil {
			return err
		}
	default:
		return errDeflate
	}
	z.mode = inCodes
	return z.tables()
}

func (z *inflater) tables() error {
	if !z.lit.build(z.lengths[:z.literals]) || !z.dist.build(z.lengths[z.literals:]) {
		return errDeflate
	}
	return nil
}

var fixedLengths = func() []int {
	lengths := make([]int, 288+32)
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		case i < 288:
			lengths[i] = 8
		default:
			lengths[i] = 5
		}
	}
	return lengths
}()

// codeOrder is the order in which the lengths of the codes of lengths are written.
var codeOrder = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readLengths reads the lengths of a block's codes.
func (z *inflater) readLengths() error {
	head, err := z.take(14)
	if err != nil {
		return err
	}
	literals, distances, codes := head&31+257, head>>5&31+1, head>>10+4
	if literals > 286 || distances > 30 {
		return errDeflate
	}
	var of [19]int
	for i := range codes {
		if of[codeOrder[i]], err = z.take(3); err != nil {
			return err
		}
	}
	var h huffman
	if !h.build(of[:]) {
		return errDeflate
	}
	lengths := make([]int, 0, literals+distances)
	for len(lengths) < literals+distances {
		s, err := z.symbol(&h)
		if err != nil {
			return err
		}
		if s < 16 {
			lengths = append(lengths, s)
			continue
		}
		value, bits, least := 0, uint(0), 0
		switch s {
		case 16:
			if len(lengths) == 0 {
				return errDeflate
			}
			value, bits, least = lengths[len(lengths)-1], 2, 3
		case 17:
			bits, least = 3, 3
		default:
			bits, least = 7, 11
		}
		n, err := z.take(bits)
		if err != nil {
			return err
		}
		if n += least; len(lengths)+n > literals+distances {
			return errDeflate
		}
		for range n {
			lengths = append(lengths, value)
		}
	}
	z.lengths, z.literals = lengths, literals
	return nil
}

// stored copies bytes of a stored block.
func (z *inflater) stored() error {
	for z.left > 0 && len(z.hist)-z.read < unpacked {
		b, err := z.next()
		if err != nil {
			return err
		}
		z.hist = append(z.hist, b)
		z.out++
		z.left--
	}
	if z.left == 0 {
		z.mode = atBlock
	}
	return nil
}

var (
	lengthBase = [...]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [...]uint{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [...]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [...]uint{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// codes unpacks a block of literals and copies.
func (z *inflater) codes() error {
	for len(z.hist)-z.read < unpacked {
		s, err := z.symbol(&z.lit)
		switch {
		case err != nil:
			return err
		case s < endOfCode:
			z.hist = append(z.hist, byte(s))
			z.out++
			continue
		case s == endOfCode:
			z.mode = atBlock
			return nil
		case s-257 >= len(lengthBase):
			return errDeflate
		}
		length, err := z.take(lengthBits[s-257])
		if err != nil {
			return err
		}
		length += lengthBase[s-257]
		if s, err = z.symbol(&z.dist); err != nil {
			return err
		}
		if s >= len(distBase) {
			return errDeflate
		}
		back, err := z.take(distBits[s])
		if err != nil {
			return err
		}
		if back += distBase[s]; int64(back) > z.out-z.start || back > len(z.hist) {
			return errDeflate
		}
		for range length {
			z.hist = append(z.hist, z.hist[len(z.hist)-back])
		}
		z.out += int64(length)
	}
	return nil
}

// symbol reads a code.
func (z *inflater) symbol(h *huffman) (int, error) {
	for z.n < 15 {
		b, err := z.next()
		if err != nil {
			if err == io.ErrUnexpectedEOF {
				break // the last codes are shorter
			}
			return 0, err
		}
		z.bits |= uint64(b) << z.n
		z.n += 8
	}
	if e := h.fast[z.bits&(1<<fastBits-1)]; e != 0 && uint(e&15) <= z.n {
		z.bits >>= e & 15
		z.n -= uint(e & 15)
		return int(e >> 4), nil
	}
	code, first, index := 0, 0, 0
	for length := uint(1); length <= 15; length++ {
		if length > z.n {
			return 0, io.ErrUnexpectedEOF
		}
		code |= int(z.bits >> (length - 1) & 1)
		count := int(h.count[length])
		if code-first < count {
			z.bits >>= length
			z.n -= length
			return int(h.symbols[index+code-first]), nil
		}
		index, first, code = index+count, (first+count)<<1, code<<1
	}
	return 0, errDeflate
}

// huffman is a code.
type huffman struct {
	fast    [1 << fastBits]uint16 // by the next bits: symbol<<4 | length; 0 for longer codes
	count   [16]uint16            // codes of each length
	symbols [288]uint16           // in the order of their codes
}

// build makes the code of symbols' lengths, and reports whether there is one. A code of
// no symbol, or of one of length 1, is one; others must use up all bits.
func (h *huffman) build(lengths []int) bool {
	*h = huffman{}
	longest := 0
	for _, l := range lengths {
		h.count[l]++
		longest = max(longest, l)
	}
	h.count[0] = 0
	left := 1
	var at, code [16]int
	for l := 1; l <= longest; l++ {
		if left = left<<1 - int(h.count[l]); left < 0 {
			return false
		}
		at[l] = at[l-1] + int(h.count[l-1])
		code[l] = (code[l-1] + int(h.count[l-1])) << 1
	}
	if left > 0 && longest > 1 || longest == 1 && h.count[1] == 0 {
		return false
	}
	for s, l := range lengths {
		if l == 0 {
			continue
		}
		h.symbols[at[l]] = uint16(s)
		at[l]++
		if l <= fastBits {
			reversed := 0
			for i := range l {
				reversed |= code[l] >> i & 1 << (l - 1 - i)
			}
			for i := reversed; i < len(h.fast); i += 1 << l {
				h.fast[i] = uint16(s)<<4 | uint16(l)
			}
		}
		code[l]++
	}
	return true
}
