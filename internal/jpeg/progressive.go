package jpeg

import (
	"errors"
	"fmt"
)

// block holds one block's coefficients as a progressive file's scans build
// them up, by place as order gives it.
type block [64]int16

// maxLow is the largest number of low bits a scan may leave to later ones.
const maxLow = 13

// checkBand checks a progressive scan's band and bits and notes what it brings.
func (d *decoder) checkBand() error {
	bad := d.ss > d.se || d.se > 63 || d.al > maxLow
	if d.ss == 0 {
		bad = bad || d.se != 0
	} else {
		bad = bad || len(d.scan) != 1
	}
	if d.ah != 0 && d.al != d.ah-1 {
		bad = true
	}
	if bad {
		return fmt.Errorf("jpeg: progressive scan of %d components, coefficients %d to %d, bits %d to %d is not allowed",
			len(d.scan), d.ss, d.se, d.ah, d.al)
	}
	for _, c := range d.scan {
		for k := d.ss; k <= d.se; k++ {
			if d.ah != max(0, int(c.known[k])) {
				return fmt.Errorf("%w: bits below %d of coefficient %d of component %d, of which those below %d are due",
					errDamaged, d.ah, k, c.id, max(0, int(c.known[k])))
			}
			c.known[k] = int8(d.al)
		}
	}
	return nil
}

// smoothed is how many coefficients in zigzag order libjpeg's block smoothing
// looks at.
const smoothed = 10

// errIncomplete is wrapped by the errors of files that have their end marker but
// not all their scans.
var errIncomplete = errors.New("jpeg: incomplete file")

// checkComplete refuses a file that ends before it has brought every component,
// and a progressive one that lacks bits of the low coefficients: libjpeg would
// make the component grey, and make the bits up by smoothing over neighbouring
// blocks. Higher coefficients may be missing, as the standard permits.
func (d *decoder) checkComplete() error {
	for i := range d.comps {
		c := &d.comps[i]
		if !c.scanned {
			return fmt.Errorf("%w: no scan brings component %d", errIncomplete, c.id)
		}
		for k, bit := range c.known[:smoothed] {
			if d.progressive && bit != 0 {
				return fmt.Errorf("%w: no scan completes coefficient %d of component %d", errIncomplete, k, c.id)
			}
		}
	}
	return nil
}

// readBand decodes one block's share of the scan in hand.
func (d *decoder) readBand(r *bitReader, c *component, b *block) {
	switch {
	case d.ss == 0 && d.ah == 0:
		if r.n < minBits {
			r.acc, r.n = r.fill(r.acc, r.n)
		}
		_, diff := r.code(c.dc)
		c.lastDC += diff
		b[0] = int16(c.lastDC << d.al)
	case d.ss == 0:
		if r.bits(1) != 0 {
			b[0] |= 1 << d.al
		}
	case d.ah == 0:
		r.firstAC(b, c.ac, d.ss, d.se, d.al)
	default:
		r.refineAC(b, c.ac, d.ss, d.se, d.al)
	}
}

// code decodes one code and its value; the symbol holds run and size. It wants minBits.
func (r *bitReader) code(h *huffman) (run int, value int32) {
	e := h.look[r.acc>>(64-lookBits)]
	if used := int(e & 0xff); used != 0 {
		r.acc <<= uint(used)
		r.n -= used
		return int(e >> 8 & 0xff), e >> 16
	}
	var symbol byte
	symbol, value, r.acc, r.n = h.long(e, r.acc, r.n)
	return int(symbol >> 4), value
}

// bits reads the next size bits, at most 16.
func (r *bitReader) bits(size int) int32 {
	if r.n < minBits {
		r.acc, r.n = r.fill(r.acc, r.n)
	}
	v := int32(r.acc >> 1 >> uint(63-size))
	r.acc <<= uint(size)
	r.n -= size
	return v
}

// startRun begins a run of blocks without news, this one included, from an
// end-of-block code whose run field is size.
func (r *bitReader) startRun(size int) {
	r.eobRun = 1<<size + r.bits(size)
}

// firstAC decodes the first bits of coefficients ss..se.
func (r *bitReader) firstAC(b *block, h *huffman, ss, se, al int) {
	if r.eobRun > 0 {
		r.eobRun--
		return
	}
	for k := ss; k <= se; k++ {
		if r.n < minBits {
			r.acc, r.n = r.fill(r.acc, r.n)
		}
		run, value := r.code(h)
		if value == 0 && run != 15 {
			r.startRun(run)
			r.eobRun--
			return
		}
		k += run
		if value != 0 {
			b[order[k&127]&63] = int16(value << al)
		}
	}
}

// refineAC adds bit al to coefficients ss..se: a correction bit for each that
// is nonzero, and new ones of size one among the others.
func (r *bitReader) refineAC(b *block, h *huffman, ss, se, al int) {
	plus := int16(1) << al
	k := ss
	if r.eobRun == 0 {
		for ; k <= se; k++ {
			if r.n < minBits {
				r.acc, r.n = r.fill(r.acc, r.n)
			}
			e := h.look[r.acc>>(64-lookBits)]
			used, run, fresh := int(e&0xff), int(e>>8&0xff), int16(e>>16)
			if used == 0 || fresh > 1 || fresh < -1 {
				used, run, fresh = h.refinement(r.acc)
			}
			r.acc <<= uint(used)
			r.n -= used
			if fresh == 0 && run != 15 {
				r.startRun(run)
				break
			}
			k = r.correct(b, k, se, run, plus)
			if fresh != 0 {
				b[order[k&127]&63] = fresh * plus
			}
		}
	}
	if r.eobRun > 0 {
		r.correct(b, k, se, 64, plus)
		r.eobRun--
	}
}

// refinement decodes a code of a refining scan that one look-up does not tell,
// and its sign bit. A size above one is damage: it sets missed, and reads as one.
func (h *huffman) refinement(acc uint64) (used, run int, fresh int16) {
	symbol, used := h.symbol(acc)
	if symbol&15 > 1 {
		h.missed = true
	}
	if symbol&15 != 0 {
		fresh = int16(acc<<uint(used)>>63)*2 - 1
		used++
	}
	return used, int(symbol >> 4), fresh
}

// correct reads a correction bit for every nonzero coefficient from k on and
// returns the index of the zero one that comes after run others, or se+1.
func (r *bitReader) correct(b *block, k, se, run int, plus int16) int {
	acc, n := r.acc, r.n
	for ; k <= se; k++ {
		v := &b[order[k&127]&63]
		if *v == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		if n < 1 {
			acc, n = r.fill(acc, n)
		}
		bit := plus &^ *v // a coefficient that has the bit is damage, and left alone
		sign := *v >> 15
		*v += (bit ^ sign - sign) & int16(int64(acc)>>63)
		acc <<= 1
		n--
	}
	r.acc, r.n = acc, n
	return k
}

// reconstruct transforms all blocks of a progressive frame. It lets go of each
// component's coefficients as soon as it has the samples.
func (d *decoder) reconstruct() {
	for i := range d.comps {
		c := &d.comps[i]
		c.allocatePlane(d)
		across := c.stride / 8
		for at := range c.coef {
			var b coefficients
			src := &c.coef[at]
			for j := 0; j < len(src); j += 2 {
				if src[j]|src[j+1] != 0 {
					b.add(uint8(j), product(int32(src[j]), c.quant[j]))
					b.add(uint8(j+1), product(int32(src[j+1]), c.quant[j+1]))
				}
			}
			inverseDCT(c.plane[at/across*8*c.stride+at%across*8:], c.stride, &b)
		}
		c.coef = nil
	}
}
