package imageprep

import (
	"bytes"
	"errors"
	"image"

	"github.com/clipnh/clipnh/internal/jpeg"
	"golang.org/x/image/bmp"
)

func decodeJPEG(b []byte, admit admission) (*RGB, []byte, error) {
	c, err := jpeg.DecodeConfig(b)
	if err != nil {
		return nil, nil, err
	}
	if err := admit(c.Width, c.Height); err != nil {
		return nil, nil, err
	}
	img, err := jpeg.Decode(b)
	if err != nil {
		return nil, nil, err
	}
	out := &RGB{Pix: img.Pix, W: img.Width, H: img.Height}
	switch img.Components {
	case 1:
		out = newRGB(img.Width, img.Height)
		for i, v := range img.Pix {
			out.set(i, v, v, v)
		}
	case 4:
		// In place: what is written has been read.
		out.Pix = img.Pix[:3*img.Width*img.Height]
		for i := range img.Width * img.Height {
			p := [4]byte(img.Pix[4*i:])
			out.set(i, paper(p[0], p[3]), paper(p[1], p[3]), paper(p[2], p[3]))
		}
	}
	return out, c.EXIF, nil
}

// paper is what an ink and black leave of a channel: (255-ink)(255-black)/255,
// with Pillow's rounding.
func paper(ink, black byte) byte {
	left := 255 - int(black)
	t := int(ink)*left + 128
	return byte(max(0, left-(t>>8+t)>>8))
}

// decodeBMP reads what golang.org/x/image/bmp does: uncompressed files of 1 to
// 8 bits with a palette, 24 and 32 bits.
func decodeBMP(b []byte, admit admission) (*RGB, []byte, error) {
	c, err := bmp.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	if err := admit(c.Width, c.Height); err != nil {
		return nil, nil, err
	}
	if err := fits(c.Width, c.Height, c.Width*c.Height, 8, len(b)); err != nil {
		return nil, nil, err
	}
	img, err := bmp.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	out := newRGB(c.Width, c.Height)
	switch m := img.(type) {
	case *image.Paletted:
		for i, v := range m.Pix {
			r, g, b, _ := m.Palette[v].RGBA()
			out.set(i, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	case *image.RGBA:
		out.pick(m.Pix)
	case *image.NRGBA:
		out.pick(m.Pix)
	default:
		return nil, nil, errors.New("pixels of a kind this program does not know")
	}
	return out, nil, nil
}

// set writes pixel i in row-major order.
func (m *RGB) set(i int, r, g, b byte) {
	p := m.Pix[3*i : 3*i+3 : 3*i+3]
	p[0], p[1], p[2] = r, g, b
}

// pick takes the colours of four-channel pixels, whatever their opacity.
func (m *RGB) pick(pix []byte) {
	for i := range m.W * m.H {
		m.set(i, pix[4*i], pix[4*i+1], pix[4*i+2])
	}
}
