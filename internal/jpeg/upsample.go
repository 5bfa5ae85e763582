package jpeg

import "encoding/binary"

// upsampler brings one component's rows to the image's width and height, in
// the way libjpeg-turbo chooses by the component's share of the largest
// sampling factors:
//
//	1x1         as it is
//	1/2 x 1     triangle filter across
//	1 x 1/2     triangle filter down
//	1/2 x 1/2   triangle filter both ways
//	other       every sample repeated
//
// Where a filter across would have two samples or fewer to work on, samples
// are repeated as well. Beyond the first and last row the filters see that row
// again.
type upsampler struct {
	c      *component
	fx, fy int // by how much it is enlarged
	kind   upsampling
	buf    []byte // one row, a little wider than the image
}

type upsampling int

const (
	direct upsampling = iota
	triangleAcross
	triangleDown
	triangleBoth
	repeated
)

func newUpsampler(c *component, fx, fy int) upsampler {
	u := upsampler{c: c, fx: fx, fy: fy, kind: repeated}
	wide := c.width > 2
	switch {
	case fx == 1 && fy == 1:
		u.kind = direct
	case fx == 2 && fy == 1 && wide:
		u.kind = triangleAcross
	case fx == 1 && fy == 2:
		u.kind = triangleDown
	case fx == 2 && fy == 2 && wide:
		u.kind = triangleBoth
	}
	if u.kind != direct {
		u.buf = make([]byte, c.width*fx)
	}
	return u
}

// row returns the image's row y of the component. It stays valid until the
// next call.
func (u *upsampler) row(y int) []byte {
	near := y / u.fy
	in := u.plane(near)
	switch u.kind {
	case direct:
		return in
	case triangleAcross:
		across(u.buf, in)
	case triangleDown:
		down(u.buf, in, u.plane(far(y)), int32(1+y%2))
	case triangleBoth:
		both(u.buf, in, u.plane(far(y)))
	case repeated:
		repeat(u.buf, in, u.fx)
	}
	return u.buf
}

// far returns the second nearest row of a component half as high, for row y.
func far(y int) int { return y/2 - 1 + y%2*2 }

// plane returns a row of the component's samples, the nearest one for a row
// outside.
func (u *upsampler) plane(y int) []byte {
	y = max(0, min(y, u.c.height-1))
	return u.c.plane[y*u.c.stride:][:u.c.width]
}

func repeat(dst, in []byte, times int) {
	for i, v := range in {
		for j := range times {
			dst[i*times+j] = v
		}
	}
}

// across doubles a row: 3/4 of the nearer sample and 1/4 of the farther, with
// halves rounded down and up in turn. It works as both does.
func across(dst, in []byte) {
	n := len(in)
	dst = dst[:2*n]
	left := uint64(in[0])
	i := 0
	for ; i+5 <= n; i += 4 {
		this := spread(binary.LittleEndian.Uint32(in[i:]))
		before := this<<16 | left
		after := this>>16 | uint64(in[i+4])<<48
		left = this >> 48
		even := (3*this + before + quarters) >> 2 & (0xff * quarters)
		odd := (3*this + after + 2*quarters) >> 2 & (0xff * quarters)
		binary.LittleEndian.PutUint64(dst[2*i:], even|odd<<8)
	}
	for ; i < n; i++ {
		this, after := uint64(in[i]), uint64(in[min(i+1, n-1)])
		dst[2*i] = byte((3*this + left + 1) >> 2)
		dst[2*i+1] = byte((3*this + after + 2) >> 2)
		left = this
	}
}

// down mixes a row with its farther neighbour; bias is 1 where that is above
// and 2 where it is below.
func down(dst, near, far []byte, bias int32) {
	dst, far = dst[:len(near)], far[:len(near)]
	for i, v := range near {
		dst[i] = byte((3*int32(v) + int32(far[i]) + bias) >> 2)
	}
}

// both is down, then across, in one rounding. It works on four columns at a
// time, each in 16 bits of a word; no sum exceeds 16*255+8.
func both(dst, near, far []byte) {
	n := len(near)
	dst, far = dst[:2*n], far[:n]
	sum := func(i int) uint64 { return 3*uint64(near[i]) + uint64(far[i]) }

	left := sum(0)
	i := 0
	for ; i+5 <= n; i += 4 {
		this := 3*spread(binary.LittleEndian.Uint32(near[i:])) + spread(binary.LittleEndian.Uint32(far[i:]))
		before := this<<16 | left
		after := this>>16 | sum(i+4)<<48
		left = this >> 48
		even := (3*this + before + 8*quarters) >> 4 & (0xff * quarters)
		odd := (3*this + after + 7*quarters) >> 4 & (0xff * quarters)
		binary.LittleEndian.PutUint64(dst[2*i:], even|odd<<8)
	}
	for ; i < n; i++ {
		this := sum(i)
		after := sum(min(i+1, n-1))
		dst[2*i] = byte((3*this + left + 8) >> 4)
		dst[2*i+1] = byte((3*this + after + 7) >> 4)
		left = this
	}
}

// quarters has a one in each 16-bit quarter of a word.
const quarters = 1<<48 + 1<<32 + 1<<16 + 1

// spread puts four bytes into the 16-bit quarters of a word, the first lowest.
func spread(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & 0x00ff00ff00ff00ff
}
