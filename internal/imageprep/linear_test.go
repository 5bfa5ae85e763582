package imageprep

import "testing"

// The sizes are those of Python's int(side*scale + 0.5).
func TestRescaledSize(t *testing.T) {
	for _, tt := range []struct{ w, h, longer, shorter, wantW, wantH int }{
		{500, 375, 2048, 384, 512, 384},
		{375, 500, 2048, 384, 384, 512},
		{500, 333, 2048, 336, 505, 336},
		{2048, 1024, 2048, 560, 1120, 560},
		{256, 192, 2048, 224, 299, 224},
		{5000, 500, 2048, 384, 2048, 205}, // the longer side decides
		{336, 336, 2048, 336, 336, 336},
		{640, 427, 2048, 448, 671, 448},
		{9000, 1, 2048, 384, 2048, 1},
	} {
		if w, h := RescaledSize(tt.w, tt.h, tt.longer, tt.shorter); w != tt.wantW || h != tt.wantH {
			t.Errorf("%dx%d to at most %d and %d: %dx%d, want %dx%d", tt.w, tt.h, tt.longer, tt.shorter, w, h, tt.wantW, tt.wantH)
		}
	}
}

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
			t.Fatalf("sample %d of an even picture is %d, want 201", i, v)
		}
	}
}

func BenchmarkResizeLinear(b *testing.B) {
	src := newRGB(500, 375)
	for b.Loop() {
		ResizeLinear(src, 512, 384)
	}
}
