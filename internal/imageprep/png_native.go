package imageprep

// mode is what Pillow makes of the file's pixels. A colour that is transparent as
// a whole changes nothing.
func (f *pngFile) mode() mode {
	switch {
	case f.kind == pngGrey && f.depth == 1:
		return modeBits
	case f.kind == pngGrey && f.depth == 16:
		return modeWide
	}
	return [...]mode{pngGrey: modeGrey, pngRGB: modeRGB, pngPalette: modePalette, pngGreyAlpha: modeGreyAlpha, pngRGBA: modeRGBA}[f.kind]
}

// store writes a row's w pixels as they are to pixels at, at+dx, ... of out, but
// for the lower byte of channels of 16 bits.
func (f *pngFile) store(out *raster, row []byte, w, at, dx int) {
	n, size := pngChannels[f.kind], max(1, f.depth/8)
	full := byte(1)
	if f.kind == pngGrey && f.depth < 8 {
		full = byte(255 / (1<<f.depth - 1))
	}
	for i := range w {
		to := at + i*dx
		switch {
		case out.mode == modeWide:
			out.wide[to] = uint16(row[2*i])<<8 | uint16(row[2*i+1])
		case f.depth < 8:
			out.pix[to] = sample(row, i, f.depth) * full
		default:
			for c := range n {
				out.pix[to*n+c] = row[(i*n+c)*size]
			}
		}
	}
}
