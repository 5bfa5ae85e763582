package imageprep

// RGB is an image of 8 bits per channel.
type RGB struct {
	Pix  []byte // [H,W,3]
	W, H int
}

func newRGB(w, h int) *RGB { return &RGB{Pix: make([]byte, 3*w*h), W: w, H: h} }
