package jpeg

import "encoding/binary"

// bitReader reads the entropy-coded data of one scan.
type bitReader struct {
	data []byte
	pos  int    // of the next byte to go into acc; a marker's FF once one is met
	acc  uint64 // bits to be read next, at the top; zeros below them
	n    int    // how many bits acc holds; below 0 when more were taken than there are
	eof  bool   // the data ended without a marker

	eobRun int32 // progressive: blocks still to come that hold nothing new
}

// minBits is what a refill leaves in acc at the least, unless the segment
// ends: a code of 17 bits, or one of 16 and its value of 15.
const minBits = 32

// refill tops acc up from r.pos; it is called with n < minBits.
func (r *bitReader) refill(acc uint64, n int) (uint64, int) {
	for n <= 56 {
		if r.pos >= len(r.data) {
			r.eof = true
			break
		}
		b := r.data[r.pos]
		next := r.pos + 1
		if b == 0xff {
			for next < len(r.data) && r.data[next] == 0xff {
				next++ // fill bytes
			}
			if next == len(r.data) {
				r.eof = true
				break
			}
			if r.data[next] != 0 {
				break // a marker
			}
			next++ // a stuffed zero
		}
		r.pos = next
		acc |= uint64(b) << uint(56-n)
		n += 8
	}
	return acc, n
}

// fill is refill with a short way for four bytes none of which is FF.
func (r *bitReader) fill(acc uint64, n int) (uint64, int) {
	if d := r.data; uint(r.pos) < uint(len(d)) && len(d)-r.pos >= 4 {
		w := binary.BigEndian.Uint32(d[r.pos:])
		if (^w-0x01010101)&w&0x80808080 == 0 {
			r.pos += 4
			return acc | uint64(w)<<uint(32-n), n + 32
		}
	}
	return r.refill(acc, n)
}

// sequential decodes one block of a sequential scan into b, which comes zeroed.
func (r *bitReader) sequential(b *coefficients, c *component) {
	acc, n := r.acc, r.n
	q := c.quant
	if n < minBits {
		acc, n = r.fill(acc, n)
	}
	e := c.dc.look[acc>>(64-lookBits)]
	diff := e >> 16
	if used := int(e & 0xff); used != 0 {
		acc <<= uint(used)
		n -= used
	} else {
		_, diff, acc, n = c.dc.long(e, acc, n)
	}
	c.lastDC += diff
	b.add(0, product(int32(int16(c.lastDC)), q[0]))

	look := &c.ac.look
	for k := 1; k < 64; k++ {
		if n < minBits {
			acc, n = r.fill(acc, n)
		}
		e := look[acc>>(64-lookBits)]
		value := e >> 16
		run := int(e >> 8 & 0xff)
		if used := int(e & 0xff); used != 0 {
			acc <<= uint(used)
			n -= used
		} else {
			var symbol byte
			symbol, value, acc, n = c.ac.long(e, acc, n)
			run = int(symbol >> 4)
		}
		k += run
		if value == 0 {
			if run != 15 {
				break // end of block
			}
			continue
		}
		at := order[k&127] & 63
		b.add(at, product(value, q[at]))
	}
	r.acc, r.n = acc, n
}

// product dequantises. It is cut to 16 bits as in libjpeg-turbo's vector code;
// no sound file goes near that.
func product(level int32, step uint16) int32 { return int32(int16(level * int32(step))) }

// long decodes what one look-up, with result e, did not: the symbol, and the
// value that follows it.
func (h *huffman) long(e int32, acc uint64, n int) (symbol byte, value int32, rest uint64, left int) {
	length := int(e >> 8 & 0xff)
	symbol = byte(e >> 16)
	if length == 0 {
		symbol, length = h.symbol(acc)
	}
	acc <<= uint(length)
	size := int(symbol & 15)
	value = extend(uint32(acc>>1>>(63-size)), size)
	return symbol, value, acc << uint(size), n - length - size
}
