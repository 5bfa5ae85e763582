package jpeg

import (
	"errors"
	"fmt"
)

// lookBits is how many bits one table look-up resolves: nearly always a whole
// code, and mostly the value's own bits as well.
const lookBits = 10

// huffman is one Huffman table. The decoding tables are built when a scan
// first uses it, since files may define tables that nothing uses.
type huffman struct {
	counts [17]uint8 // codes of each length 1..16
	values [256]byte
	n      int
	built  bool
	missed bool // a code was read that the table lacks

	// look, by the next lookBits bits. For a code whose value's bits are
	// among them: value<<16 | run<<8 | bits used in all; the codes without a
	// value (end of block, zero run, DC difference 0) likewise, value 0. For
	// a longer value: symbol<<16 | bits of the code<<8. For a longer code: 0.
	look    [1 << lookBits]int32
	maxCode [17]int32 // largest code of each length, -1 without one
	offset  [17]int32 // index of a code's value less the code
}

// readDHT reads Huffman tables; a later one replaces an earlier of its name.
func (d *decoder) readDHT(p []byte) error {
	for len(p) > 0 {
		if len(p) < 17 {
			return fmt.Errorf("jpeg: Huffman table in %d bytes, want 17 or more", len(p))
		}
		class, id := p[0]>>4, p[0]&15
		if class > 1 || id > 3 {
			return fmt.Errorf("jpeg: Huffman table of class %d, number %d", class, id)
		}
		h := new(huffman)
		for l := 1; l <= 16; l++ {
			h.counts[l] = p[l]
			h.n += int(p[l])
		}
		if h.n > len(h.values) || len(p) < 17+h.n {
			return fmt.Errorf("jpeg: Huffman table of %d codes in %d bytes", h.n, len(p))
		}
		copy(h.values[:], p[17:17+h.n])
		if class == 0 {
			d.dc[id] = h
		} else {
			d.ac[id] = h
		}
		p = p[17+h.n:]
	}
	return nil
}

// build makes the decoding tables, once. The codes are canonical: counted
// upwards within a length, and the all-ones code stays unused.
func (h *huffman) build(isDC bool) error {
	if h.built {
		return nil
	}
	if isDC {
		for _, s := range h.values[:h.n] {
			if s > 15 {
				return fmt.Errorf("difference of %d bits, want at most 15", s)
			}
		}
	}
	h.built = true
	code, i := int32(0), int32(0)
	for l := 1; l <= 16; l++ {
		h.offset[l] = i - code
		h.maxCode[l] = -1
		for range h.counts[l] {
			if l <= lookBits {
				h.fill(uint32(code), l, h.values[i])
			}
			h.maxCode[l] = code
			code++
			i++
		}
		if h.counts[l] > 0 && code >= 1<<l {
			return errors.New("more codes than their lengths allow")
		}
		code <<= 1
	}
	return nil
}

// fill enters a code of l bits, l <= lookBits, at every index that begins with it.
func (h *huffman) fill(code uint32, l int, symbol byte) {
	free := lookBits - l
	code &= 1<<l - 1
	span := h.look[code<<free : (code+1)<<free]
	run, size := int32(symbol>>4), int(symbol&15)
	if size > free {
		for i := range span {
			span[i] = int32(symbol)<<16 | int32(l)<<8
		}
		return
	}
	for bits := range uint32(1) << size {
		e := extend(bits, size)<<16 | run<<8 | int32(l+size)
		part := span[bits<<(free-size) : (bits+1)<<(free-size)]
		for i := range part {
			part[i] = e
		}
	}
}

// extend turns the size bits of a coefficient into its value, T.81 F.2.2.1:
// a leading zero says negative.
func extend(bits uint32, size int) int32 {
	v := int32(bits)
	if size > 0 && v < 1<<(size-1) {
		v += 1 - 1<<size
	}
	return v
}

// symbol decodes the code at the top of acc: its symbol and its length. A code
// that the table lacks sets missed, and reads as symbol 0 of 17 bits, as in
// libjpeg.
func (h *huffman) symbol(acc uint64) (byte, int) {
	for l := 1; l <= 16; l++ {
		if code := int32(acc >> (64 - l)); code <= h.maxCode[l] {
			return h.values[uint8(code+h.offset[l])], l
		}
	}
	h.missed = true
	return 0, 17
}
