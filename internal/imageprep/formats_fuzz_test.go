package imageprep

import (
	"bytes"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// FuzzOrders decodes every format in both orders.
func FuzzOrders(f *testing.F) {
	for _, data := range sweepFiles(f, "*") {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkOrders(t, data) })
}

// checkOrders holds what comes out in the other order to what comes out in the
// usual one: an error in both, and a square of the same size.
func checkOrders(t *testing.T, data []byte) {
	const most = 1 << 16
	const size = 24
	var squares [2]*RGB
	var good [2]bool
	for i, order := range []Order{ConvertFirst, ResizeFirst} {
		good[i] = testutil.Parsed(t, mostAllocated(most, len(data)), func() (err error) {
			squares[i], err = decodeSquare(data, Options{Order: order, MaxPixels: most}, Input{Side: size})
			return err
		})
	}
	switch {
	case good[0] && !good[1] && !bytes.HasPrefix(data, []byte("RIFF")): // opacity may be damaged by itself
		t.Error("read in the usual order only")
	case !good[0] && good[1]:
		t.Error("read in the other order only")
	}
	for i := range squares {
		if good[i] && (squares[i].W != size || squares[i].H != size || len(squares[i].Pix) != 3*size*size) {
			t.Errorf("%dx%d pixels in %d bytes", squares[i].W, squares[i].H, len(squares[i].Pix))
		}
	}
}

func FuzzTIFF(f *testing.F) {
	for _, data := range sweepFiles(f, "tiff_*.tif") {
		f.Add(data)
	}
	f.Add(tiled(tiffOf(make([]byte, 12), tiffWidth, 4, tiffHeight, 3, tiffBits, 8, tiffTileWidth, 16, tiffTileHeight, 16)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if isTIFF(data) {
			checkDecoded(t, data, false)
		}
	})
}

func FuzzBMP(f *testing.F) {
	for _, data := range sweepFiles(f, "bmp_*.bmp") {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte("BM")) {
			checkDecoded(t, data, false)
		}
	})
}

func FuzzPNM(f *testing.F) {
	for _, data := range sweepFiles(f, "pnm_*") {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if isPNM(data) {
			checkDecoded(t, data, false)
		}
	})
}

// FuzzLZW feeds the reader of TIFF's LZW codes: it gives what its codes stand for
// however it is asked.
func FuzzLZW(f *testing.F) {
	f.Add([]byte("\x80\x00\x20\x50\x38\x24\x16\x0d\x07\x84\x40"), 3)
	f.Add(bytes.Repeat([]byte{0x80, 0x12, 0x34}, 9), 1)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		const most = 1 << 16
		read := func(step int) ([]byte, error) {
			r := new(tiffLZW)
			r.reset(data)
			var out []byte
			p := make([]byte, min(max(step, 1), most))
			for len(out) < most {
				n, err := r.Read(p)
				out = append(out, p[:n]...)
				if err != nil {
					return out, err
				}
			}
			return out[:most], nil
		}
		whole, wholeErr := read(most)
		parts, partsErr := read(step % 64)
		if !bytes.Equal(whole, parts) || wholeErr != partsErr {
			t.Errorf("%d bytes, %v in one go, %d, %v by %d", len(whole), wholeErr, len(parts), partsErr, step)
		}
	})
}
