package imageprep

import "github.com/clipnh/clipnh/internal/jpeg"

func decodeJPEG(b []byte, admit admission, _ bool) (*raster, notes, error) {
	c, err := jpeg.DecodeConfig(b)
	if err != nil {
		return nil, notes{}, err
	}
	if err := admit(c.Width, c.Height); err != nil {
		return nil, notes{}, err
	}
	img, err := jpeg.Decode(b)
	if err != nil {
		return nil, notes{}, err
	}
	m := map[int]mode{1: modeGrey, 3: modeRGB, 4: modeCMYK}[img.Components]
	return &raster{mode: m, w: img.Width, h: img.Height, pix: img.Pix, release: img.Release}, notes{exif: c.EXIF}, nil
}

// paper is what an ink and black leave of a channel: (255-ink)(255-black)/255,
// with Pillow's rounding.
func paper(ink, black byte) byte {
	left := 255 - int(black)
	t := int(ink)*left + 128
	return byte(max(0, left-(t>>8+t)>>8))
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
