package retrieve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/ui"
)

// retrievedFiles are the files below a folder and their contents.
func retrievedFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, relErr := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(data)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRetrieveDraws compares copies with the images, and a second run, from
// scores and with another number of threads, with the first.
func TestRetrieveDraws(t *testing.T) {
	dir := t.TempDir()
	o := Options{Options: goldenImages(), Pairs: []string{"h1n37", "h3n37"}, Top: 3, Threads: 1, SaveDir: dir, SheetHeads: 1, Copies: true}
	n := retrieve(t, o).Neurons[0]
	files := retrievedFiles(t, dir)
	want := map[string]bool{"37/sheet.png": true, "37/heat.png": true}
	for i, u := range n.Units {
		if i == 1 { // the stronger pair
			want[fmt.Sprintf("37/37_%d/heat.png", u.head)] = true
		}
		for _, r := range u.Top {
			rel, err := filepath.Rel(dir, r.Path)
			if err != nil {
				t.Fatal(err)
			}
			want[filepath.ToSlash(rel)] = true
			got, err := readImage(r.Path)
			if err != nil {
				t.Fatal(err)
			}
			image, err := readImage(testutil.Golden("dataset/" + r.Name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Pix, image.Pix) {
				t.Errorf("%s is not %s", r.Path, r.Name)
			}
		}
	}
	if !want["37/0_23.png"] || !want["37/37_1/1_29.png"] || len(want) != 3+3*3 || len(files) != len(want) {
		t.Errorf("files %v", want)
	}
	for name := range files {
		if !want[name] {
			t.Errorf("%s was not to be written", name)
		}
	}
	if n.Sheet != filepath.Join(dir, "37", "sheet.png") || n.Units[0].Heat != filepath.Join(dir, "37", "heat.png") || n.Units[2].Heat != "" {
		t.Errorf("sheets %s and %s", n.Sheet, n.Units[0].Heat)
	}

	save := filepath.Join(t.TempDir(), "scores")
	collected := collecttest.GoldenImages(t, "scores")
	collected.SavePath = save
	collecttest.Collect(t, collected)
	o.ScoresPath, o.Threads = save, 3
	retrieve(t, o)
	for name, content := range retrievedFiles(t, dir) {
		if files[name] != content {
			t.Errorf("%s: other bytes the second time", name)
		}
	}
}

// TestRetrieveReplaces holds that an earlier run's files go and others' stay.
func TestRetrieveReplaces(t *testing.T) {
	dir := t.TempDir()
	o := Options{Options: goldenImages(), Pairs: []string{"h1n37"}, Top: 5, Threads: 2, SaveDir: dir, Copies: true}
	retrieve(t, o)
	notes := filepath.Join(dir, "37", "notes.txt")
	if err := os.WriteFile(notes, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	o.Top, o.Data = 2, pipelinetest.LabelledFolder(t)
	o.ScoresPath, o.Model = pipelinetest.GoldenScores(t), "" // no heat maps
	n := retrieve(t, o).Neurons[0]
	files := retrievedFiles(t, dir)
	if len(files) != 2+2+2 || n.Units[0].Heat != "" || files["37/notes.txt"] != "mine" {
		t.Errorf("%d files, heat %q", len(files), n.Units[0].Heat)
	}

	foreign := filepath.Join(dir, "37", "37_1", "4_40.png")
	copyFile(t, testutil.Golden("dataset/"+pipelinetest.GoldenNames(t)[0]), foreign)
	before := retrievedFiles(t, dir)
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) || !strings.Contains(err.Error(), foreign) {
		t.Errorf("error %v, want that %s is in the way", err, foreign)
	}
	if after := retrievedFiles(t, dir); len(after) != len(before) || after["37/37_1/4_40.png"] != before["37/37_1/4_40.png"] {
		t.Error("something was changed all the same")
	}
}

// TestRetrieveSkips: images that cannot be read when scores are made, and those
// that no longer can be.
func TestRetrieveSkips(t *testing.T) {
	images := t.TempDir()
	for _, name := range pipelinetest.GoldenNames(t)[:6] {
		copyFile(t, testutil.Golden("dataset/"+name), filepath.Join(images, name))
	}
	if err := os.WriteFile(filepath.Join(images, "00000.png"), []byte("broken"), 0o666); err != nil {
		t.Fatal(err)
	}
	from := goldenImages()
	from.Data.Path = images
	o := Options{Options: from, Neurons: []string{"37"}, Top: 10, Threads: 2, SaveDir: t.TempDir()}
	result := retrieve(t, o)
	if len(result.Skipped) != 1 || result.Skipped[0].Name != "00000.png" || result.Images != 6 {
		t.Errorf("of %d images skipped %+v", result.Images, result.Skipped)
	}
	gone := o
	gone.ScoresPath = filepath.Join(t.TempDir(), "scores")
	collected := collecttest.GoldenImages(t, "scores")
	collected.SavePath, collected.Data.Path = gone.ScoresPath, images
	collecttest.Collect(t, collected)
	broken := pipelinetest.GoldenNames(t)[2]
	if err := os.WriteFile(filepath.Join(images, broken), []byte("broken since"), 0o666); err != nil {
		t.Fatal(err)
	}
	result = retrieve(t, gone)
	if len(result.Skipped) != 1 || result.Skipped[0].Name != broken {
		t.Errorf("skipped %+v, want %s", result.Skipped, broken)
	}
	for _, u := range result.Neurons[0].Units {
		for _, r := range u.Top {
			if _, err := os.Stat(r.Path); (r.Name == broken) != (r.Path == "") || r.Path != "" && err != nil {
				t.Errorf("%s: path %q, %v", r.Name, r.Path, err)
			}
		}
	}
	if _, err := os.Stat(result.Neurons[0].Units[0].Heat); err != nil {
		t.Error(err)
	}
	gone.Strict = true
	if _, err := Run(context.Background(), gone, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "their sizes differ (the first is "+filepath.Join(images, broken)+")") {
		t.Errorf("a strict run: %v", err)
	}
	if err := os.Remove(filepath.Join(images, pipelinetest.GoldenNames(t)[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), gone, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), pipelinetest.GoldenNames(t)[0]) {
		t.Errorf("an image that is not there: %v", err)
	}
}

func TestRetrieveIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	o := Options{Options: goldenImages(), Neurons: []string{"37", "38", "39"}, Top: 10, Threads: 2, SaveDir: dir}
	// All images are ranked, and those of the first neuron drawn.
	if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 48 + 20, Cancel: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want interrupted", err)
	}
	for name := range retrievedFiles(t, dir) {
		if !strings.HasSuffix(name, ".png") {
			t.Errorf("%s was left", name)
		}
	}
	retrieve(t, o)
	again := t.TempDir()
	o.SaveDir = again
	retrieve(t, o)
	undisturbed, got := retrievedFiles(t, again), retrievedFiles(t, dir)
	if len(got) != len(undisturbed) {
		t.Errorf("%d files, want %d", len(got), len(undisturbed))
	}
	for name, content := range undisturbed {
		if got[name] != content {
			t.Errorf("%s: other bytes than in an undisturbed run", name)
		}
	}
}

// endOfSheets interrupts when the last image of the sheets was looked at.
type endOfSheets struct{ *pipelinetest.Interrupting }

func (r endOfSheets) Progress() ui.Progress { return r }
func (r endOfSheets) Start(total int64, _ ui.Unit, label string) {
	if r.After = math.MaxInt64; label == "sheets" {
		r.After = total
	}
}

// TestRetrieveIsInterruptedAtItsEnd: an interrupt is heeded while sheets are drawn, too.
func TestRetrieveIsInterruptedAtItsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := Options{Options: goldenImages(), Neurons: []string{"37"}, Top: 2, Threads: 1, SaveDir: t.TempDir()}
	if _, err := Run(ctx, o, endOfSheets{&pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), Cancel: cancel}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want interrupted", err)
	}
	for name := range retrievedFiles(t, o.SaveDir) {
		if !strings.HasPrefix(name, storedFolder) {
			t.Errorf("%s was drawn after the interrupt", name)
		}
	}
}

// TestHeatMaps holds that the locations of a product, with what the position
// embedding and the mean token add, sum up to the score.
func TestHeatMaps(t *testing.T) {
	src, err := source.OpenTower(context.Background(), goldenImages(), 2, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tower, err := src.PairTower()
	if err != nil {
		t.Fatal(err)
	}
	d := &renderer{tower: tower}
	c := src.Tower.Config()
	T, C := c.Tokens(), c.Neurons()
	tokens, _ := pipelinetest.ReadGolden(t, "tokens.npy") // of the first four
	attention, shape := pipelinetest.ReadGolden(t, "attention_cls.npy")
	scores, _ := pipelinetest.ReadGolden(t, "s.npy")
	H, position := shape[1], tower.Position()
	for b, name := range pipelinetest.GoldenNames(t)[:4] {
		pixels := make([]float32, src.Tower.ImageLen())
		path := testutil.Golden("dataset/" + name)
		raw, err := imageprep.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := imageprep.PreprocessFile(pixels, raw, c.Input(), imageprep.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 37, C - 1} {
			var s shown
			if err := d.look(&s, pixels, n); err != nil {
				t.Fatal(err)
			}
			var got, want []float32
			for h := range H {
				product := s.maps(h)[2]
				sum := float64(attention[(b*H+h)*T]) * float64(tokens[(b*T)*C+n])
				for m := 1; m < T; m++ {
					sum += float64(product[m-1]) + float64(attention[(b*H+h)*T+m])*float64(position[m*C+n])
				}
				got, want = append(got, float32(sum)), append(want, scores[(b*H+h)*C+n])
			}
			if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
				t.Errorf("%s, n%d: %v", name, n, err)
			}
			for m, x := range s.activation {
				if x < -1e-5 {
					t.Errorf("%s, n%d: activation %g at location %d of a rectified map", name, n, x, m)
				}
			}
			for m, x := range s.maps(wholeNeuron)[1] {
				mean := 0.0
				for h := range H {
					mean += float64(s.maps(h)[1][m]) / float64(H)
				}
				if math.Abs(float64(x)-mean) > 1e-6 {
					t.Errorf("mean attention %g, want %g", x, mean)
				}
			}
		}
	}
}

// TestSheetsFit draws long names and words, few images and many, and looks for
// ink at the edges, where there must be none.
func TestSheetsFit(t *testing.T) {
	long := strings.Repeat("a very long name ", 20)
	crop := canvas.Image{Pix: bytes.Repeat([]byte{90}, 3*figure.ThumbSide*figure.ThumbSide), W: figure.ThumbSide, H: figure.ThumbSide}
	images := map[int]*shown{
		0: {crop: crop, activation: []float32{0, 1, 2, 3}, attention: []float32{.1, .2, .3, .4, .4, .3, .2, .1}},
		1: {err: errors.New("broken")},
	}
	for _, count := range []int{1, 2, 12} {
		var units []Unit
		for head := wholeNeuron; head < 2; head++ {
			u := Unit{Unit: "h47n123456", head: head}
			for i := range 9 {
				u.Words = append(u.Words, artefact.Term{Word: long, Coefficient: float32(i) * -1000})
			}
			for i := range count {
				u.Top = append(u.Top, Hit{Rank: i, Image: i % 2, Name: long, Norm: 123456789})
			}
			units = append(units, u)
		}
		for name, c := range map[string]*canvas.Canvas{
			"contact": contactSheet("n123456", units, images, 1000000), "heat": heatSheet(units[count%3], images, 2, "their product."),
		} {
			var b bytes.Buffer
			if err := c.WritePNG(&b, "test"); err != nil {
				t.Fatal(err)
			}
			m, err := png.Decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			for y := range m.Bounds().Dy() {
				for _, x := range []int{2, figure.Margin - 8, m.Bounds().Dx() - figure.Margin + 8, m.Bounds().Dx() - 2} {
					if r, g, b, _ := m.At(x, y).RGBA(); min(r, g, b) < 0xd000 {
						t.Fatalf("%s sheet of %d: ink at %d,%d of %v", name, count, x, y, m.Bounds())
					}
				}
			}
			for x := range m.Bounds().Dx() {
				if r, _, _, _ := m.At(x, m.Bounds().Dy()-figure.Margin/2).RGBA(); r < 0xd000 {
					t.Fatalf("%s sheet of %d: ink at the foot", name, count)
				}
			}
		}
	}
}

// TestKindOf: a pair's head has the number that its name has, within its layer.
func TestKindOf(t *testing.T) {
	for _, test := range []struct {
		unit Unit
		want string
	}{
		{Unit{Unit: "h12n624", head: 12}, "pair with head 12"},
		{Unit{Unit: "l10h3n624", head: 15}, "pair with head l10h3"},
		{Unit{Unit: "l9n624", head: wholeNeuron}, "neuron, sum over heads"},
	} {
		if got := kindOf(test.unit); got != test.want {
			t.Errorf("%s: %q, want %q", test.unit.Unit, got, test.want)
		}
	}
}
