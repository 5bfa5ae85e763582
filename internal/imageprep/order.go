package imageprep

import "math"

// square is Square for an image that is converted to RGB after it was resized and
// cropped. As Pillow's resize does it takes the nearest pixel where samples are
// indices or bits, weights colours by their opacity, and keeps whole numbers of
// 32 bits between its two passes where greys have 16. The raster must not be used
// afterwards.
func (r *raster) square(size int, by Fit) *RGB { return r.resized(by.part(r.w, r.h, size)) }

// resized returns a part of the raster resized, in RGB. The raster must not be used
// afterwards.
func (r *raster) resized(s part) *RGB {
	switch same := s.w == r.w && s.h == r.h; {
	case same, r.mode == modePalette, r.mode == modeBits:
		return r.nearest(s).rgb()
	case r.mode == modeWide:
		return r.wideResized(s).rgb()
	}
	weighted := r.mode == modeRGBA || r.mode == modeGreyAlpha
	if weighted {
		r.multiply()
	}
	out := newRaster(r.mode, s.across, s.down)
	for c := 0; c < channels[r.mode]; c += 3 {
		s.channels(out, r, c)
	}
	if weighted {
		out.unmultiply()
	}
	return out.rgb()
}

// part is the across x down pixels from x, y on of an image resized to w x h.
type part struct {
	w, h, x, y, across, down int
	filter                   Filter // of modes that are not resized without interpolation
}

// channels resizes up to three channels of a raster, from the first on.
func (s part) channels(out, in *raster, first int) {
	n := channels[in.mode]
	if n == 3 {
		out.pix = resample(in.rgb(), s.w, s.h, s.x, s.y, s.x+s.across, s.y+s.down, s.filter).Pix
		return
	}
	three := newRGB(in.w, in.h)
	for i := range in.w * in.h {
		for c := first; c < min(n, first+3); c++ {
			three.Pix[3*i+c-first] = in.pix[n*i+c]
		}
	}
	small := resample(three, s.w, s.h, s.x, s.y, s.x+s.across, s.y+s.down, s.filter)
	for i := range out.w * out.h {
		for c := first; c < min(n, first+3); c++ {
			out.pix[n*i+c] = small.Pix[3*i+c-first]
		}
	}
}

// nearest takes the pixel that each middle of a resized one falls into.
func (r *raster) nearest(s part) *raster {
	out := newRaster(r.mode, s.across, s.down)
	out.palette = r.palette
	across, down := nearestOf(r.w, s.w, s.x, s.across), nearestOf(r.h, s.h, s.y, s.down)
	n := channels[r.mode]
	for y := range s.down {
		for x := range s.across {
			from := down[y]*r.w + across[x]
			if r.mode == modeWide {
				out.wide[y*s.across+x] = r.wide[from]
			} else {
				copy(out.pix[n*(y*s.across+x):][:n], r.pix[n*from:])
			}
		}
	}
	return out
}

// nearestOf returns the pixels of in that n of out are taken from, from the first
// on. As in Pillow positions are added up in float64, up to a size that no image
// of Pillow's has.
func nearestOf(in, out, first, n int) []int {
	pixels := make([]int, n)
	scale := float64(in) / float64(out)
	at := float64(scale * 0.5)
	if first < 1<<28 {
		for range first {
			at += scale
		}
	} else {
		at += float64(scale * float64(first))
	}
	for i := range pixels {
		pixels[i] = min(int(at), in-1)
		at += scale
	}
	return pixels
}

// multiply weights colours by opacity, (colour*opacity)/255 rounded.
func (r *raster) multiply() {
	n := channels[r.mode]
	for i := 0; i < len(r.pix); i += n {
		a := int(r.pix[i+n-1])
		for c := range n - 1 {
			t := int(r.pix[i+c])*a + 128
			r.pix[i+c] = byte((t>>8 + t) >> 8)
		}
	}
}

// unmultiply undoes multiply as far as it can be undone: colours of no opacity
// stay.
func (r *raster) unmultiply() {
	n := channels[r.mode]
	for i := 0; i < len(r.pix); i += n {
		a := int(r.pix[i+n-1])
		for c := range n - 1 {
			if a > 0 {
				r.pix[i+c] = byte(min(255, int(r.pix[i+c])*255/a))
			}
		}
	}
}

// wideResized resizes 16-bit greys in float64, rounded half away from zero after
// each pass. What leaves 0..65535 counts as its end: so it does once it is cut to
// a byte.
func (r *raster) wideResized(s part) *raster {
	top, bottom := s.y, s.y+s.down // the rows that the pass down needs
	if s.h != r.h {
		top, bottom = newTaps(r.h, s.h, s.y, s.y+s.down, s.filter).reach()
	}
	across := make([]int64, (bottom-top)*s.across)
	s.wideAcross(across, r, top)
	out := newRaster(modeWide, s.across, s.down)
	if s.h == r.h {
		for i, v := range across {
			out.wide[i] = cutWide(v)
		}
		return out
	}
	y := 0
	s.filter.eachOutput(r.h, s.h, s.y, s.y+s.down, func(_, first int, weights []float64) {
		for x := range s.across {
			sum := 0.0
			for j, w := range weights {
				sum += float64(float64(across[(first-top+j)*s.across+x]) * w)
			}
			out.wide[y*s.across+x] = cutWide(roundAway(sum))
		}
		y++
	})
	return out
}

// wideAcross makes the pass across on the rows from top on, [rows,across].
func (s part) wideAcross(dst []int64, r *raster, top int) {
	rows := len(dst) / s.across
	if s.w == r.w {
		for i := range dst {
			dst[i] = int64(r.wide[(top+i/s.across)*r.w+s.x+i%s.across])
		}
		return
	}
	x := 0
	s.filter.eachOutput(r.w, s.w, s.x, s.x+s.across, func(_, first int, weights []float64) {
		for y := range rows {
			sum := 0.0
			for j, w := range weights {
				sum += float64(float64(r.wide[(top+y)*r.w+first+j]) * w)
			}
			dst[y*s.across+x] = roundAway(sum)
		}
		x++
	})
}

func cutWide(v int64) uint16 { return uint16(max(0, min(v, math.MaxUint16))) }

func roundAway(x float64) int64 {
	if x < 0 {
		return -int64(math.Floor(-x + 0.5))
	}
	return int64(math.Floor(x + 0.5))
}
