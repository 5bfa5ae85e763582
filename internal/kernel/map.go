package kernel

// Map is a batch of feature maps blocked by channels: the value of channel c
// at pixel p, with p = (image*H+y)*W+x, is
//
//	Data[(c/Lanes*Stride+p)*Lanes + c%Lanes]
//
// Channels are padded with zeros to a multiple of Lanes. Stride is the number of pixels
// from one block to the next, at least Pixels(). The memory between the last pixel of a
// block and the next block is never read.
type Map struct {
	Data            []float32
	C, Images, H, W int
	Stride          int
}

// Blocks returns the number of blocks of Lanes channels.
func (m Map) Blocks() int { return blocksOf(m.C) }

// Pixels returns the number of pixels of all images.
func (m Map) Pixels() int { return m.Images * m.H * m.W }

// blocksOf returns the number of blocks for c channels.
func blocksOf(c int) int { return (c + Lanes - 1) / Lanes }

// PixelStride returns the Stride of a new map with a number of pixels. It is odd, and
// not near a multiple of 4 KiB (64 pixels), so that blocks do not compete for the same
// cache set.
func PixelStride(pixels int) int {
	const page = 4096 / laneBytes
	const margin = 8 // tiles read up to 14 contiguous pixels
	s := pixels | 1
	if s%page < margin {
		s += margin
	}
	return s
}

// MapLen returns the number of floats that MapOn needs for c channels of a number of
// pixels.
func MapLen(c, pixels int) int { return blocksOf(c) * PixelStride(pixels) * Lanes }

// NewMap returns a zeroed map, aligned to a cache line.
func NewMap(c, images, h, w int) Map {
	return MapOn(Alloc(MapLen(c, images*h*w)), c, images, h, w)
}

// MapOn returns a map that uses the first MapLen(c, images*h*w) floats of data, without
// clearing them. Memory aligned to 64 bytes is faster. MapOn panics if data is shorter.
func MapOn(data []float32, c, images, h, w int) Map {
	pixels := images * h * w
	n := MapLen(c, pixels)
	if c < 1 || images < 0 || h < 0 || w < 0 {
		panic("kernel: bad map shape")
	}
	if len(data) < n {
		panic("kernel: short map memory")
	}
	return Map{Data: data[:n:n], C: c, Images: images, H: h, W: w, Stride: PixelStride(pixels)}
}

// Slice returns a view of n images from the given one on, with the same memory and
// Stride.
func (m Map) Slice(image, n int) Map {
	if image < 0 || n < 0 || image+n > m.Images {
		panic("kernel: images out of range")
	}
	m.Data = m.Data[image*m.H*m.W*Lanes:]
	m.Images = n
	return m
}

// SetPlanar fills m from src [Images][C][H][W].
func (m Map) SetPlanar(src []float32) {
	m.check()
	if len(src) < m.Pixels()*m.C {
		panic("kernel: short planar source")
	}
	hw := m.H * m.W
	for i := range m.Images {
		for c := range m.Blocks() * Lanes {
			d := m.Data[(c/Lanes*m.Stride+i*hw)*Lanes+c%Lanes:]
			for p := range hw {
				v := float32(0)
				if c < m.C {
					v = src[(i*m.C+c)*hw+p]
				}
				d[p*Lanes] = v
			}
		}
	}
}

// Planar writes m to dst [Images][C][H][W].
func (m Map) Planar(dst []float32) {
	m.check()
	if len(dst) < m.Pixels()*m.C {
		panic("kernel: short planar destination")
	}
	hw := m.H * m.W
	for i := range m.Images {
		for c := range m.C {
			s := m.Data[(c/Lanes*m.Stride+i*hw)*Lanes+c%Lanes:]
			for p := range hw {
				dst[(i*m.C+c)*hw+p] = s[p*Lanes]
			}
		}
	}
}

// SetRows fills m from src [Pixels()][C], one row of channels per pixel.
func (m Map) SetRows(src []float32) {
	m.check()
	if len(src) < m.Pixels()*m.C {
		panic("kernel: short rows")
	}
	for p := range m.Pixels() {
		row := src[p*m.C:][:m.C]
		for b := range m.Blocks() {
			d := m.Data[(b*m.Stride+p)*Lanes:][:Lanes]
			clear(d[copy(d, row[b*Lanes:]):])
		}
	}
}

// Rows writes m to dst [Pixels()][C], one row of channels per pixel.
func (m Map) Rows(dst []float32) {
	m.check()
	if len(dst) < m.Pixels()*m.C {
		panic("kernel: short rows")
	}
	for p := range m.Pixels() {
		row := dst[p*m.C:][:m.C]
		for b := range m.Blocks() {
			copy(row[b*Lanes:], m.Data[(b*m.Stride+p)*Lanes:][:Lanes])
		}
	}
}

// check panics unless every pixel of every block is inside Data.
func (m Map) check() {
	p := m.Pixels()
	if m.C < 1 || m.Images < 0 || m.H < 0 || m.W < 0 || m.Stride < p {
		panic("kernel: bad map shape")
	}
	if p > 0 && len(m.Data) < ((m.Blocks()-1)*m.Stride+p)*Lanes {
		panic("kernel: short map memory")
	}
}

// sameShape reports whether both maps have the same channels, images and size.
func (m Map) sameShape(o Map) bool {
	return m.C == o.C && m.Images == o.Images && m.H == o.H && m.W == o.W
}
