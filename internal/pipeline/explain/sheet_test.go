package explain

import (
	"bytes"
	"errors"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSheets draws two images and replaces the sheets of an earlier run, but no other
// program's file.
func TestSheets(t *testing.T) {
	names := pipelinetest.GoldenNames(t)[:2]
	o := tinyOptions(pipelinetest.TinyModel(), filepath.Join(testutil.Golden("dataset"), names[0]), filepath.Join(testutil.Golden("dataset"), names[1]))
	o.SaveDir = filepath.Join(t.TempDir(), "a", "b")
	var first []byte
	for range 2 {
		_, all, _ := explained(t, o)
		for _, x := range all {
			f, err := os.ReadFile(x.Sheet)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Dir(x.Sheet) != o.SaveDir || strings.HasPrefix(filepath.Base(x.Sheet), ".") {
				t.Errorf("sheet at %s", x.Sheet)
			}
			if maker, err := canvas.Maker(bytes.NewReader(f)); maker != sheetMaker || err != nil {
				t.Errorf("made by %q, %v", maker, err)
			}
			if _, err := png.Decode(bytes.NewReader(f)); err != nil {
				t.Error(err)
			}
		}
		f, err := os.ReadFile(all[0].Sheet)
		if err != nil || first != nil && !bytes.Equal(f, first) {
			t.Errorf("%v, or the same sheet has other bytes", err)
		}
		first = f
		if err := os.WriteFile(all[1].Sheet, []byte("by hand"), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err = Run(t.Context(), o, Sink{}, pipelinetest.Silent())
		if !errors.Is(err, cache.ErrExists) || !strings.Contains(err.Error(), all[1].Sheet) {
			t.Errorf("a file by hand: %v", err)
		}
		if err := os.Remove(all[1].Sheet); err != nil {
			t.Fatal(err)
		}
	}
	o.Paths = []string{filepath.Join(testutil.Golden("dataset"), names[0]), filepath.Join(testutil.Golden("dataset"), "..", "dataset", names[0])}
	if _, err := Run(t.Context(), o, Sink{}, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("an image given twice: %v", err)
	}
}

// TestSheetPath: sheets lie in their folder, wherever the images are.
func TestSheetPath(t *testing.T) {
	o := &Options{SaveDir: "out"}
	for name, want := range map[string]string{
		"a.jpg": "a.png", "photos/a.jpg": "photos_a.png", "../../b/a.jpg": "b_a.png", "/home/me/a.jpg": "home_me_a.png", "C:/a.jpg": "C__a.png", "a": "a.png",
	} {
		if got := o.sheetPaths([]dataset.Item{{Name: name}}); got[0] != filepath.Join("out", want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	got := o.sheetPaths([]dataset.Item{{Name: "a/1.jpg"}, {Name: "a/1.png"}, {Name: "a_1.jpg"}, {Name: "../b.jpg"}})
	for i, want := range []string{"a_1.jpg.png", "a_1.png.png", "a_1.jpg-2.png", "b.png"} {
		if got[i] != filepath.Join("out", want) {
			t.Errorf("sheets %v, want %s as number %d", got, want, i)
		}
	}
}

// TestSheetsOfAnything draws what has long names, no listed units, no maps, all parts
// against it, and values that are zero.
func TestSheetsOfAnything(t *testing.T) {
	long := strings.Repeat("a very long name ", 40)
	words := []artefact.Term{{Word: long, Coefficient: 1}, {Word: "water", Coefficient: -2}}
	part := func(v float64, places ...float64) Part {
		zero := 0.0
		return Part{Unit: "h12n3456", Part: v, Words: words, Places: places, Position: &zero}
	}
	crop := canvas.Image{Pix: make([]byte, 3*16), W: 4, H: 4}
	for name, x := range map[string]*Explanation{
		"empty": {Places: Places{Rows: 1, Cols: 1, Parts: []float64{0}}, Classes: []ClassLogit{{"a", 0, 1}}},
		"long": {
			Name: long, Class: long, Versus: long + "b", Logit: -12345.678, Constant: -1000, Places: Places{Rows: 1, Cols: 2, Parts: []float64{-3, 5000}},
			Classes: slices.Repeat([]ClassLogit{{long, -12345.678, 1}}, 30),
			Pairs:   Split{For: slices.Repeat([]Part{part(3, 1, 2)}, 15), Against: slices.Repeat([]Part{part(-5000, -5000, 0)}, 3), Rest: 7, RestUnits: 1 << 18},
		},
	} {
		x.crop = crop
		c := drawSheet(x)
		if c.Bounds().Dx() != sheetWidth || c.Bounds().Dy() < 500 {
			t.Errorf("%s: %v", name, c.Bounds())
		}
		steps := waterfallOf(x)
		want := x.Constant + x.Pairs.Rest
		x.Pairs.each(func(p *Part) { want += p.Part })
		sides := min(len(x.Pairs.For), 1) + min(len(x.Pairs.Against), 1)
		if last := steps[len(steps)-1]; !last.total || math.Abs(last.to-want) > 1e-9 || len(steps) != 3+sides {
			t.Errorf("%s: ends at %g after %d steps, want %g", name, last.to, len(steps), want)
		}
	}
}

// A bar of a listed pair has a scale on which it is seen, however large the rest is.
func TestPairBars(t *testing.T) {
	usual := 0.25
	x := &Explanation{
		Places: Places{Rows: 1, Cols: 1, Parts: []float64{0}}, crop: canvas.Image{Pix: make([]byte, 3), W: 1, H: 1},
		Pairs: Split{For: []Part{{Unit: "h0n1", Part: 0.5, Usual: &usual}}, Against: []Part{{Unit: "h0n2", Part: -0.5}}, Rest: 1e6, RestUnits: 9},
	}
	steps := pairBars(x)
	if len(steps) != 2 || steps[0].to != 0.5 || steps[0].usual != &usual || steps[1].to != -0.5 || steps[1].from != 0 {
		t.Fatalf("bars %+v", steps)
	}
	s := &sheet{Canvas: canvas.New(sheetWidth, barsHeight(canvas.NewFont(20), 2), canvas.White), x: x, bold: canvas.NewBold(20), text: canvas.NewFont(20), small: canvas.NewFont(17)}
	s.drawPairBars(0)
	var file bytes.Buffer
	if err := s.WritePNG(&file, "test"); err != nil {
		t.Fatal(err)
	}
	drawn, err := png.Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	widths := map[color.NRGBA]int{}
	for i, colour := range []color.NRGBA{canvas.Above, canvas.Below} {
		y := s.bold.Height() + 12 + i*stepHeight + stepHeight/2
		for x := range sheetWidth {
			if color.NRGBAModel.Convert(drawn.At(x, y)) == colour {
				widths[colour]++
			}
		}
	}
	if widths[canvas.Above] < 300 || widths[canvas.Below] < 300 {
		t.Errorf("bars are %v pixels wide, want 300 or more", widths)
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      []float64
	}{
		{0, 23, []float64{0, 5, 10, 15, 20}},
		{-0.3, 0.4, []float64{-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4}},
		{-28, 3, []float64{-25, -20, -15, -10, -5, 0}},
	} {
		got := ticksOf(test.low, test.high)
		if !slices.EqualFunc(got, test.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%g to %g: %v, want %v", test.low, test.high, got, test.want)
		}
	}
}

func TestShownClasses(t *testing.T) {
	x := &Explanation{Class: "g", Versus: "b"}
	for _, name := range strings.Split("abcdefg", "") {
		x.Classes = append(x.Classes, ClassLogit{Name: name})
	}
	for n, want := range map[int]string{1: "bg", 3: "abg", 5: "abcdg", 9: "abcdefg"} {
		got := ""
		for _, c := range x.shownClasses(n) {
			got += c.Name
		}
		if got != want {
			t.Errorf("%d of 7 classes: %s, want %s", n, got, want)
		}
	}
}
