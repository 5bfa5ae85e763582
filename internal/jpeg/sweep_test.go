package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSweep compares with Pillow's pixels on files that scripts/jpeg_sweep.py
// wrote: a few of each kind in testdata/sweep, thousands in the folder that
// CLIPNH_JPEG_SWEEP names.
func TestSweep(t *testing.T) {
	t.Run("few", func(t *testing.T) { compareSweep(t, filepath.Join("testdata", "sweep")) })
	t.Run("many", func(t *testing.T) {
		dir := os.Getenv("CLIPNH_JPEG_SWEEP")
		if dir == "" {
			t.Skip("CLIPNH_JPEG_SWEEP names no folder; scripts/jpeg_sweep.py makes one")
		}
		compareSweep(t, dir)
	})
}

func compareSweep(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no .jpg files (%v)", dir, err)
	}
	read, refused, damaged := 0, 0, 0
	for _, f := range files {
		name := filepath.Base(f)
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(f, ".jpg") + ".want")
		if err != nil {
			t.Fatal(err)
		}
		img, err := Decode(data)
		header, pix, _ := bytes.Cut(want, []byte("\n"))
		switch {
		case strings.Contains(name, "_arithmetic"):
			refused++
			if err == nil || !strings.Contains(err.Error(), "arithmetic-coded") {
				t.Errorf("%s: got error %v, want a refusal of arithmetic coding", name, err)
			}
		case bytes.HasPrefix(header, []byte("error")):
			refused++
			if err == nil {
				t.Errorf("%s: no error, want one as Pillow's: %s", name, header)
			}
		case (errors.Is(err, errDamaged) || errors.Is(err, errIncomplete)) && strings.Contains(name, "_damaged"),
			errors.Is(err, errIncomplete) && strings.Contains(name, "_missing"):
			damaged++ // where we refuse what Pillow reads
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			read++
			if err := differ(img, string(header), pix); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	t.Logf("%d files read, %d refused as they must be, %d for damage that Pillow reads over", read, refused, damaged)
}

// differ tells where an image differs from Pillow's "MODE WIDTH HEIGHT" and samples.
func differ(img *Image, header string, want []byte) error {
	mode := map[int]string{1: "L", 3: "RGB", 4: "CMYK"}[img.Components]
	if got := fmt.Sprintf("%s %d %d", mode, img.Width, img.Height); got != header || len(img.Pix) != len(want) {
		return fmt.Errorf("got %s in %d bytes, want %s in %d", got, len(img.Pix), header, len(want))
	}
	n, first := 0, 0
	for i := range want {
		if img.Pix[i] != want[i] {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	if n > 0 {
		at := first / img.Components
		return fmt.Errorf("%d of %d samples differ, first at %d,%d: got %d, want %d",
			n, len(want), at%img.Width, at/img.Width, img.Pix[first], want[first])
	}
	return nil
}
