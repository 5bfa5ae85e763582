package jpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
)

// TestBorrow holds that lent memory is zero again, and large enough.
func TestBorrow(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	reused := false
	for range 100 { // with the race detector, pools drop some
		a := borrow(lendable + 5)
		for i := range a {
			a[i] = 7
		}
		giveBack(a)
		b := borrow(lendable + 3)
		if len(b) != lendable+3 || slices.Max(b) != 0 {
			t.Fatalf("%d bytes, the largest %d, want zeros", len(b), slices.Max(b))
		}
		reused = reused || &a[0] == &b[0]
		giveBack(b)
		c := borrow(lendable + 9)
		if len(c) != lendable+9 {
			t.Fatal(len(c))
		}
	}
	if !reused {
		t.Error("no memory was lent again")
	}
}

// lendFiles are a file of colours and one of greys whose planes are worth lending.
func lendFiles(t *testing.T) (files [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	grey, colours := image.NewGray(image.Rect(0, 0, 701, 603)), image.NewRGBA(image.Rect(0, 0, 701, 603))
	for i := range grey.Pix {
		grey.Pix[i] = byte(i/701 + random.IntN(20))
	}
	for i := range colours.Pix {
		colours.Pix[i] = byte(i/2804 + random.IntN(20))
	}
	for _, img := range []image.Image{grey, colours} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

// TestRelease holds that images decoded into memory that others had are what they are in
// memory of their own, also after one that is damaged.
func TestRelease(t *testing.T) {
	for _, data := range lendFiles(t) {
		want, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := Decode(data[:len(data)*2/3]); err == nil {
				t.Fatal("a file that was cut was decoded")
			}
			got, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Pix, want.Pix) {
				t.Fatal("other pixels in memory that another image had")
			}
			for i := range got.Pix {
				got.Pix[i] = 9
			}
			got.Release()
			if got.Pix != nil {
				t.Fatal("pixels that were given back can still be used")
			}
		}
	}
}
