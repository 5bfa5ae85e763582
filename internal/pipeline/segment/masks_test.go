package segment

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// masked puts golden images into folders named by classes, and masks beside them, whose
// foreground is a disc or all but it.
func masked(t testing.TB) (images, masks string, names []string) {
	t.Helper()
	dir := t.TempDir()
	images, masks = filepath.Join(dir, "images"), filepath.Join(dir, "masks")
	for i, file := range []string{"00", "01", "02", "03", "04", "05", "06", "07"} {
		name := filepath.Join([]string{"a", "b", "c"}[i%3], file+".png")
		data, err := os.ReadFile(testutil.GoldenViT("images/" + file + ".png"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{images, masks} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(path, name)), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(images, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
		mask := image.NewGray(image.Rect(0, 0, 48, 48))
		for p := range mask.Pix {
			if maskOf(i, p) == 1 {
				mask.Pix[p] = uint8(1 + 254*(i%2)) // whatever is not 0
			}
		}
		f, err := os.Create(filepath.Join(masks, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := png.Encode(f, mask); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return images, masks, names
}

// maskOf is what the mask of image i says of pixel p.
func maskOf(i, p int) uint16 {
	x, y := p%48-20-i, p/48-24
	if inside := x*x+y*y < 200; inside == (i%2 == 0) {
		return 1
	}
	return 0
}

// TestMasks compares the measures with those of maps that are made of the golden parts of
// tokens.
func TestMasks(t *testing.T) {
	images, masks, _ := masked(t)
	o := vitSegmentation(t, heat.ByTokens, heat.ByPairs)
	o.Paths, o.MasksDir, o.SaveDir = []string{images}, masks, ""
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	texts, _ := pipelinetest.ReadNPY(t, o.TextsPath)
	if err := heat.Centre(texts, 24); err != nil {
		t.Fatal(err)
	}
	parts, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/first_tokens.npy"))
	axis := heat.NewAxis(48, 48, 24, 8, true)
	for _, all := range []string{"", "b"} {
		var want heat.Foreground
		for b := range 8 {
			class := b % 3
			if all != "" {
				class = 1
			}
			cells := make([]float32, 36)
			for m := range cells {
				sum := 0.0
				for i := range 5 * 4 {
					at := (((b*5+i/4)*37+m+1)*4 + i%4) * 24
					for d, x := range parts[at : at+24] {
						sum += float64(x) * float64(texts[class*24+d])
					}
				}
				cells[m] = float32(sum)
			}
			f := heat.NewField(1, axis, axis, 48, 48)
			f.Set(0, 0, 6, 6, cells)
			truth := make([]uint16, 48*48)
			for p := range truth {
				truth[p] = maskOf(b, p)
			}
			want.Add(f.Largest([]int{0}, par.NewTeam(1)), truth)
		}
		if o.Foreground = all; all != "" {
			if r, err = Run(context.Background(), o, pipelinetest.Silent()); err != nil {
				t.Fatal(err)
			}
		}
		got := r.Foreground[0]
		if len(r.Foreground) != 2 || got.Method != "tokens" || r.Images != 8 || len(r.Shares) != 0 {
			t.Fatalf("%+v of %d images", r.Foreground, r.Images)
		}
		const few = 2e-3 // a pixel in 500 may be at the mean
		if math.Abs(got.PixelAccuracy-want.PixelAccuracy()) > few || math.Abs(got.MIoU-want.MIoU()) > few || math.Abs(got.MAP-want.MAP()) > few {
			t.Errorf("class %q: %+v, want %g, %g and %g", all, got, want.PixelAccuracy(), want.MIoU(), want.MAP())
		}
	}
}

// TestMasksRefused refuses masks that are missing, of other classes, or with what needs
// labels.
func TestMasksRefused(t *testing.T) {
	images, masks, names := masked(t)
	empty := image.NewGray(image.Rect(0, 0, 48, 48))
	empty.Set(0, 0, color.Gray{})
	for want, change := range map[string]func(*Options){
		"its folder \"images\" is not among the 3 classes": func(o *Options) { o.Paths = []string{testutil.GoldenViT("images")} },
		`{foreground} "d": not among the 3 classes`:        func(o *Options) { o.Foreground = "d" },
		"mask of ":               func(o *Options) { o.MasksDir = t.TempDir() },
		"{masks} is for {image}": func(o *Options) { o.ShowDir = t.TempDir() },
		"01.png: a mask without foreground": func(o *Options) {
			f, err := os.Create(filepath.Join(masks, names[1]))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := png.Encode(f, empty); err != nil {
				t.Fatal(err)
			}
			o.Paths = []string{filepath.Join(images, names[1])}
			o.MasksDir = filepath.Dir(filepath.Join(masks, names[1]))
		},
	} {
		o := vitSegmentation(t, heat.ByTokens)
		o.Paths, o.MasksDir, o.SaveDir = []string{images}, masks, ""
		change(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
