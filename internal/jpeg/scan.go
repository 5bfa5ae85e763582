package jpeg

import (
	"errors"
	"fmt"
)

// readSOS reads a scan header: which components, which tables, and which part
// of the coefficients.
func (d *decoder) readSOS(p []byte) error {
	if d.frames == 0 {
		return errors.New("jpeg: a scan before the frame header")
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("jpeg: more than %d scans", maxScans)
	}
	if len(p) < 1 || p[0] < 1 || p[0] > maxComponents || len(p) != 4+2*int(p[0]) {
		return fmt.Errorf("jpeg: scan header: %d bytes, not what its component count asks for", len(p))
	}
	n := int(p[0])
	tail := p[1+2*n:]
	d.ss, d.se, d.ah, d.al = int(tail[0]), int(tail[1]), int(tail[2]>>4), int(tail[2]&15)
	d.scan = d.scan[:0]
	blocks := 0
	for i := range n {
		id, tables := p[1+2*i], p[2+2*i]
		c := d.component(id)
		if c == nil {
			return fmt.Errorf("jpeg: scan of component %d, which the frame lacks or the scan already has", id)
		}
		if c.scanned && !d.progressive {
			return fmt.Errorf("jpeg: component %d is in a second scan of a sequential frame", id)
		}
		c.scanned = true
		d.scan = append(d.scan, c)
		blocks += c.h * c.v
		if c.quant == nil {
			if c.tq > 3 || d.quant[c.tq] == nil {
				return fmt.Errorf("jpeg: component %d: quantisation table %d is not defined", id, c.tq)
			}
			c.quant = d.quant[c.tq]
		}
		if err := d.setTables(c, tables>>4, tables&15); err != nil {
			return err
		}
	}
	if n > 1 && blocks > maxBlocksPerMCU {
		return fmt.Errorf("jpeg: scan of %d blocks per MCU, want at most %d", blocks, maxBlocksPerMCU)
	}
	if d.scans == 1 {
		d.single = n == len(d.comps)
	}
	if d.progressive {
		return d.checkBand()
	}
	return nil
}

// component finds a component of the frame that is not in the scan yet.
func (d *decoder) component(id byte) *component {
next:
	for i := range d.comps {
		c := &d.comps[i]
		if c.id != id {
			continue
		}
		for _, s := range d.scan {
			if s == c {
				continue next
			}
		}
		return c
	}
	return nil
}

// setTables looks up the Huffman tables that the scan needs of a component.
func (d *decoder) setTables(c *component, dc, ac byte) error {
	needDC := !d.progressive || d.ss == 0 && d.ah == 0
	needAC := !d.progressive || d.ss > 0
	if needDC {
		if dc > 3 || d.dc[dc] == nil {
			return fmt.Errorf("jpeg: component %d: DC Huffman table %d is not defined", c.id, dc)
		}
		if err := d.dc[dc].build(true); err != nil {
			return fmt.Errorf("jpeg: DC Huffman table %d: %w", dc, err)
		}
		c.dc = d.dc[dc]
	}
	if needAC {
		if ac > 3 || d.ac[ac] == nil {
			return fmt.Errorf("jpeg: component %d: AC Huffman table %d is not defined", c.id, ac)
		}
		if err := d.ac[ac].build(false); err != nil {
			return fmt.Errorf("jpeg: AC Huffman table %d: %w", ac, err)
		}
		c.ac = d.ac[ac]
	}
	return nil
}

// errDamaged is wrapped by the errors of scans that cannot be what was encoded.
var errDamaged = errors.New("jpeg: damaged scan")

// readScan decodes the scan in hand. A sequential scan's blocks go through the
// inverse DCT at once, a progressive one's stay coefficients. A segment that
// lacks bits and a code that its table lacks are errors.
func (d *decoder) readScan() error {
	r := bitReader{data: d.data, pos: d.pos}
	for _, c := range d.scan {
		c.lastDC = 0
	}
	across, down := d.mcusX, d.mcusY
	lone := len(d.scan) == 1
	if lone {
		across, down = d.scan[0].blocksX, d.scan[0].blocksY
	}
	left, next := d.interval, byte(0)
	for y := range down {
		for x := range across {
			if d.interval > 0 {
				if left == 0 {
					if err := d.restart(&r, next); err != nil {
						return err
					}
					left, next = d.interval, (next+1)&7
				}
				left--
			}
			if lone {
				d.readBlock(&r, d.scan[0], x, y)
			} else {
				d.readMCU(&r, x, y)
			}
			if r.n < 0 {
				return d.shortSegment(&r, y*across+x, across*down)
			}
		}
	}
	for _, c := range d.scan {
		if c.dc != nil && c.dc.missed || c.ac != nil && c.ac.missed {
			return fmt.Errorf("%w: a code of component %d that its Huffman table lacks", errDamaged, c.id)
		}
	}
	d.tail = r.n/8 + len(d.data) - r.pos
	d.pos = r.pos
	return nil
}

// shortSegment is the error of a segment that ends inside an MCU, the first of
// which had so many before it in the scan.
func (d *decoder) shortSegment(r *bitReader, before, mcus int) error {
	if r.eof {
		return errTruncated
	}
	d.pos = r.pos
	code, err := d.nextMarker()
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: marker FF%02X after %d of %d MCUs", errDamaged, code, before, mcus)
}

// readMCU decodes one MCU of an interleaved scan.
func (d *decoder) readMCU(r *bitReader, x, y int) {
	for _, c := range d.scan {
		for v := range c.v {
			for h := range c.h {
				d.readBlock(r, c, x*c.h+h, y*c.v+v)
			}
		}
	}
}

// readBlock decodes one block, bx, by in blocks of the component.
func (d *decoder) readBlock(r *bitReader, c *component, bx, by int) {
	if d.progressive {
		d.readBand(r, c, &c.coef[by*(c.stride/8)+bx])
		return
	}
	var b coefficients
	r.sequential(&b, c)
	inverseDCT(c.plane[by*8*c.stride+bx*8:], c.stride, &b)
}

// restart begins the next segment: it drops what is left of this one and takes
// the marker RSTnext. Another marker is an error, where libjpeg guesses which
// segment is missing.
func (d *decoder) restart(r *bitReader, next byte) error {
	r.acc, r.n, r.eof, r.eobRun = 0, 0, false, 0
	for _, c := range d.scan {
		c.lastDC = 0
	}
	d.pos = r.pos
	code, err := d.nextMarker()
	if err != nil {
		return err
	}
	if code != mRST0+next {
		return fmt.Errorf("%w: marker FF%02X, want the restart marker FF%02X", errDamaged, code, mRST0+next)
	}
	r.pos = d.pos
	return nil
}
