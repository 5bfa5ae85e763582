package imageprep

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSweep compares with Pillow on images that scripts/image_sweep.py wrote,
// and with OpenCV on those of scripts/linear_sweep.py: a few of each kind in
// testdata, thousands in the folder that CLIPNH_IMAGE_SWEEP names.
func TestSweep(t *testing.T) {
	t.Run("few", func(t *testing.T) { compareSweep(t, filepath.Join("testdata", "sweep")) })
	t.Run("linear", func(t *testing.T) { compareSweep(t, filepath.Join("testdata", "linear")) })
	t.Run("many", func(t *testing.T) {
		dir := os.Getenv("CLIPNH_IMAGE_SWEEP")
		if dir == "" {
			t.Skip("CLIPNH_IMAGE_SWEEP names no folder; scripts/image_sweep.py and linear_sweep.py make one")
		}
		compareSweep(t, dir)
	})
}

func compareSweep(t *testing.T, dir string) {
	wants, err := filepath.Glob(filepath.Join(dir, "*.want"))
	if err != nil || len(wants) == 0 {
		t.Fatalf("%s: no .want files (%v)", dir, err)
	}
	equal, refused := 0, 0
	for _, path := range wants {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(path, ".want")
		how := filepath.Ext(name)
		switch how {
		case ".exif", ".bicubic", ".bilinear", ".crop", ".openai", ".before", ".linear":
			name = strings.TrimSuffix(name, how)
		}
		header, pix, _ := bytes.Cut(want, []byte("\n"))
		img, err := ReadFile(name, Options{EXIF: how == ".exif"})
		if bytes.HasPrefix(header, []byte("error")) {
			refused++
			if err == nil {
				t.Errorf("%s: no error, want one as Pillow's: %s", filepath.Base(path), header)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		var w, h int
		if _, err := fmt.Sscanf(string(header), "%d %d", &w, &h); err != nil {
			t.Fatalf("%s: %q: %v", path, header, err)
		}
		switch how {
		case ".bicubic":
			img = Resize(img, w, h, Bicubic)
		case ".bilinear":
			img = Resize(img, w, h, Bilinear)
		case ".linear":
			img = ResizeLinear(img, w, h)
		}
		result := &RGB{Pix: pix, W: w, H: h}
		if how == ".before" {
			if img, err = resizedBefore(name, img, w, h); err != nil {
				t.Error(err)
				continue
			}
		}
		var same error
		if how == ".crop" || how == ".openai" {
			o := Options{}
			if how == ".openai" {
				o.Order = ResizeFirst
			}
			got, want := make([]float32, 3*w*h), make([]float32, 3*w*h)
			f, err := Load(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := PreprocessFile(got, f, Input{Side: w}, o); err != nil {
				t.Fatal(err)
			}
			Channels{}.Normalize(want, result)
			same = sameBits(got, want)
		} else {
			same = differ(img, result)
		}
		if same != nil {
			t.Errorf("%s: %v", filepath.Base(path), same)
			continue
		}
		equal++
	}
	t.Logf("%d images equal, %d refused as Pillow does", equal, refused)
}

// resizedBefore resizes a file before it is converted; img is what it holds.
func resizedBefore(path string, img *RGB, w, h int) (*RGB, error) {
	f, err := Load(path)
	if err != nil {
		return nil, err
	}
	whole, resized, err := f.DecodeResized(Options{Order: ResizeFirst}, func(int, int) (int, int) { return w, h })
	if err == nil {
		err = differ(whole, img)
	}
	return resized, err
}

// differ tells where two images differ.
func differ(got, want *RGB) error {
	if got.W != want.W || got.H != want.H || len(got.Pix) != len(want.Pix) {
		return fmt.Errorf("%dx%d pixels, want %dx%d", got.W, got.H, want.W, want.H)
	}
	n, first := 0, 0
	for i := range want.Pix {
		if got.Pix[i] != want.Pix[i] {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d samples differ, first of channel %d at %d,%d: got %d, want %d",
			n, len(want.Pix), first%3, first/3%want.W, first/3/want.W, got.Pix[first], want.Pix[first])
	}
	return nil
}
