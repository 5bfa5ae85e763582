package imageprep

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

// webpFile is a RIFF container's chunks, as far as they bear on the image:
// the first frame and where it lies on the canvas.
type webpFile struct {
	canvasW, canvasH int // 0 without a VP8X chunk: the frame's size
	x, y             int
	kind             string // VP8 (lossy) or VP8L (lossless)
	frame            []byte
	opacity          []byte // the ALPH chunk of a lossy frame
	alpha            bool   // the VP8X chunk announces opacity
	notes            notes
}

// decodeWebP reads a still image, or an animation's first frame on its
// canvas of black. Transparency is read over.
func decodeWebP(b []byte, admit admission, keep bool) (*raster, notes, error) {
	f := new(webpFile)
	if err := f.parse(b[12:], 0); err != nil {
		return nil, notes{}, err
	}
	r, err := f.image(admit, keep)
	return r, f.notes, err
}

// parse reads chunks; those of a frame are nested in its ANMF chunk.
func (f *webpFile) parse(b []byte, depth int) error {
	for len(b) >= 8 {
		kind, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		if n > int64(len(b)-8) {
			if f.frame != nil {
				return nil // the image is there
			}
			return fmt.Errorf("chunk %q of %d bytes: %w", kind, n, errTruncatedFile)
		}
		body := b[8 : 8+n]
		switch {
		case kind == "VP8X" && len(body) >= 10 && depth == 0:
			f.canvasW, f.canvasH = 1+uint24(body[4:]), 1+uint24(body[7:])
			f.alpha = body[0]&0x10 != 0
		case kind == "ANMF" && len(body) >= 16 && depth == 0 && f.frame == nil:
			f.x, f.y = 2*uint24(body), 2*uint24(body[3:])
			if err := f.parse(body[16:], 1); err != nil {
				return err
			}
		case (kind == "VP8 " || kind == "VP8L") && f.frame == nil:
			f.kind, f.frame = kind, body
		case kind == "ALPH" && f.frame == nil && f.opacity == nil:
			f.opacity = body
		case kind == "EXIF" && f.notes.exif == nil:
			f.notes.exif = body
		}
		b = b[min(int64(len(b)), 8+n+n&1):]
	}
	if f.frame == nil {
		return fmt.Errorf("no image: %w", errTruncatedFile)
	}
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// image decodes the frame and puts it on the canvas, with its opacity if the
// samples are to be kept.
func (f *webpFile) image(admit admission, keep bool) (*raster, error) {
	lossy := vp8.NewDecoder()
	var w, h int
	alpha := f.alpha
	if f.kind == "VP8 " {
		lossy.Init(bytes.NewReader(f.frame), len(f.frame))
		head, err := lossy.DecodeFrameHeader()
		if err != nil {
			return nil, err
		}
		w, h = head.Width, head.Height
	} else {
		c, err := vp8l.DecodeConfig(bytes.NewReader(f.frame))
		if err != nil {
			return nil, err
		}
		w, h = c.Width, c.Height
		if f.canvasW == 0 {
			alpha = len(f.frame) >= 5 && f.frame[4]&0x10 != 0
		}
	}
	if f.canvasW == 0 {
		f.canvasW, f.canvasH = w, h
	}
	if err := admit(w, h); err != nil {
		return nil, err
	}
	if err := admit(f.canvasW, f.canvasH); err != nil {
		return nil, err
	}
	// A lossy frame spends more than a bit on each block of 16x16 pixels; a
	// lossless one may spend nothing on any pixel.
	if f.kind == "VP8 " {
		if err := fits(w, h, (w+15)/16*((h+15)/16), 8, len(f.frame)); err != nil {
			return nil, err
		}
	}
	if f.x+w > f.canvasW || f.y+h > f.canvasH {
		return nil, fmt.Errorf("frame of %dx%d at %d,%d, want it inside the canvas of %dx%d", w, h, f.x, f.y, f.canvasW, f.canvasH)
	}
	var img *raster
	if f.kind == "VP8 " {
		m, err := lossy.DecodeFrame()
		if err != nil {
			return nil, err
		}
		img = rasterOf(fromYUV(m, w, h))
		if keep && alpha {
			if img, err = f.withOpacity(img); err != nil {
				return nil, err
			}
		}
	} else {
		m, err := vp8l.Decode(bytes.NewReader(f.frame))
		if err != nil {
			return nil, err
		}
		argb, ok := m.(*image.NRGBA)
		if !ok {
			return nil, fmt.Errorf("lossless pixels of kind %T", m)
		}
		img = &raster{mode: modeRGBA, w: w, h: h, pix: argb.Pix}
		if !keep || !alpha {
			img = rasterOf(img.rgb())
		}
	}
	if w == f.canvasW && h == f.canvasH {
		return img, nil
	}
	out := newRaster(img.mode, f.canvasW, f.canvasH)
	n := channels[img.mode]
	for y := range h {
		copy(out.pix[n*((f.y+y)*out.w+f.x):], img.pix[n*y*w:n*(y+1)*w])
	}
	return out, nil
}

// fromYUV converts 4:2:0 planes as libwebp does: chroma is interpolated by 9,
// 3, 3 and 1 sixteenths in two roundings ("fancy upsampling"), with the edges
// repeated, and the shares of luma and chroma have 14 fractional bits, of which
// 6 are left after each product.
func fromYUV(m *image.YCbCr, w, h int) *RGB {
	out := newRGB(w, h)
	n := (w + 1) / 2
	u, v := make([]byte, 2*n), make([]byte, 2*n)
	for y := range h {
		// The two chroma rows around this one, the nearer first.
		near := y / 2
		far := max(0, min(near-1+y%2*2, (h-1)/2))
		interpolate(u, m.Cb[near*m.CStride:][:n], m.Cb[far*m.CStride:][:n])
		interpolate(v, m.Cr[near*m.CStride:][:n], m.Cr[far*m.CStride:][:n])
		row := out.Pix[3*y*w:][:3*w]
		for x, luma := range m.Y[y*m.YStride:][:w] {
			// 1.164 Y + 1.596 V; 1.164 Y - 0.392 U - 0.813 V; 1.164 Y + 2.017 U
			l := int32(luma) * 19077 >> 8
			cb, cr := int32(u[x]), int32(v[x])
			p := row[3*x : 3*x+3 : 3*x+3]
			p[0] = cut(l + cr*26149>>8 - 14234)
			p[1] = cut(l - cb*6419>>8 - cr*13320>>8 + 8708)
			p[2] = cut(l + cb*33050>>8 - 17685)
		}
	}
	return out
}

// cut drops the 6 fractional bits of a colour and limits it to 0..255.
func cut(v int32) byte { return byte(max(0, min(v>>6, 255))) }

// interpolate doubles a row of chroma, of which it takes 3/4, and 1/4 of the
// far one.
func interpolate(dst, near, far []byte) {
	last := len(near) - 1
	for i := range near {
		a, b := int(near[i]), int(far[i])
		for side := range 2 {
			j := i - 1 + 2*side
			if j < 0 || j > last {
				dst[2*i+side] = byte((3*a + b + 2) >> 2)
				continue
			}
			c, d := int(near[j]), int(far[j])
			diagonal := (a + b + c + d + 8 + 2*(b+c)) >> 3
			dst[2*i+side] = byte((diagonal + a) >> 1)
		}
	}
}
