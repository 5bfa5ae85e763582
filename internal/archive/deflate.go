package archive

import "io"

// This file unpacks the blocks of a deflate stream (RFC 1951).

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
