package imageprep

import "testing"

func TestResizeLinearKeepsItsInput(t *testing.T) {
	src := newRGB(5, 4)
	for i := range src.Pix {
		src.Pix[i] = byte(i * 37)
	}
	before := string(src.Pix)
	same := ResizeLinear(src, 5, 4)
	if string(same.Pix) != before {
		t.Error("the same size changes pixels")
	}
	same.Pix[0]++
	if string(src.Pix) != before {
		t.Error("the result shares memory with its source")
	}
	flat := newRGB(7, 3)
	for i := range flat.Pix {
		flat.Pix[i] = 201
	}
	for i, v := range ResizeLinear(flat, 64, 1).Pix {
		if v != 201 {
			t.Fatalf("sample %d of an even image is %d, want 201", i, v)
		}
	}
}

func BenchmarkResizeLinear(b *testing.B) {
	src := newRGB(500, 375)
	for b.Loop() {
		ResizeLinear(src, 512, 384)
	}
}
