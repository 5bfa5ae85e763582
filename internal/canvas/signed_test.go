package canvas

import (
	"bytes"
	"image"
	"testing"
)

func TestSigned(t *testing.T) {
	ground := Image{bytes.Repeat([]byte{90, 120, 150}, 61*20), 61, 20}
	s := Signed{Values: []float32{-2, 0, 2}, W: 3, H: 1, Limit: 2}
	p := s.Over(ground)
	at := func(x int) [3]byte { return [3]byte(p.Pix[3*x:]) }
	if got := at(30); got != [3]byte(ground.Pix[:3]) {
		t.Errorf("zero is %v, want the image's own colour", got)
	}
	if left, right := at(0), at(60); left[2] <= 150 || left[0] >= 20 || right[0] <= 150 || right[2] >= 40 {
		t.Errorf("below zero is %v and above %v, want blue and vermilion", left, right)
	}
	zero := Signed{Values: make([]float32, 3), W: 3, H: 1, Limit: 2}.Over(ground)
	flat := Signed{Values: []float32{0, 0, 0}, W: 3, H: 1}.Over(ground) // no limit
	if !bytes.Equal(zero.Pix, ground.Pix) || !bytes.Equal(flat.Pix, ground.Pix) {
		t.Error("zeros change the image")
	}
	beyond := Signed{Values: []float32{9}, W: 1, H: 1, Limit: 2}.Over(ground)
	limit := Signed{Values: []float32{2}, W: 1, H: 1, Limit: 2}.Over(ground)
	if !bytes.Equal(beyond.Pix, limit.Pix) {
		t.Error("values beyond the limit are not drawn as the limit")
	}
}

func TestSignedBarFits(t *testing.T) {
	f := NewFont(16)
	c := New(340, BarHeight(f)+40, White)
	c.SignedBar(f, image.Pt(20, 20), 300, "-0.25", "0", "+0.25")
	got, want := inked(c, White), image.Rect(20, 18, 320, 20+BarHeight(f))
	if !got.In(want) || got.Dx() < 290 {
		t.Errorf("the bar covers %v, want %v", got, want)
	}
}
