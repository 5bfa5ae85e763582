package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// goldenRetrieval is retrieval.json: rows, best first.
type goldenRetrieval struct {
	Neuron int
	Whole  []int   `json:"neuron_top10"`
	Heads  [][]int `json:"head_top10"`
}

func readRetrieval(t testing.TB) (g goldenRetrieval) {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden("retrieval.json"))
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil || len(g.Heads) == 0 {
		t.Fatalf("retrieval.json: %v", err)
	}
	return g
}

func goldenPictures() PictureOptions {
	return PictureOptions{Model: tinyModel(), BatchSize: 5, Stride: 1, Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")}}
}

func retrieve(t testing.TB, o RetrieveOptions) *RetrieveResult {
	t.Helper()
	result, err := Retrieve(context.Background(), o, silent())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func rows(u RetrievedUnit) (images []int) {
	for _, r := range u.Top {
		images = append(images, r.Image)
	}
	return images
}

func TestRetrieve(t *testing.T) {
	want := readRetrieval(t)
	dense, shape := goldenDense(t, false)
	sums, sumsShape := goldenDense(t, true)
	for name, from := range map[string]PictureOptions{
		"scores":   {ScoresPath: goldenScores(t)},
		"pictures": goldenPictures(),
		"dense":    {ScoresPath: dense, Shape: shape},
		"sums":     {ScoresPath: sums, Shape: sumsShape},
	} {
		t.Run(name, func(t *testing.T) {
			for _, threads := range []int{1, 3} {
				result := retrieve(t, RetrieveOptions{PictureOptions: from, Neurons: []int{want.Neuron, 0}, Top: 10, Threads: threads})
				n := result.Neurons[0]
				if result.Images != 48 || len(result.Neurons) != 2 || n.Neuron != neuronName(want.Neuron) {
					t.Fatalf("of %d images %d neurons, first %s", result.Images, len(result.Neurons), n.Neuron)
				}
				if got := rows(n.Units[0]); !slices.Equal(got, want.Whole) {
					t.Errorf("neuron: %v, want %v", got, want.Whole)
				}
				if name == "sums" {
					if len(n.Units) != 1 {
						t.Errorf("%d units of sums over heads", len(n.Units))
					}
					continue
				}
				largest := math.Inf(1)
				for _, u := range n.Units[1:] {
					if got := rows(u); !slices.Equal(got, want.Heads[u.head]) {
						t.Errorf("%s: %v, want %v", u.Unit, got, want.Heads[u.head])
					}
					if u.Top[0].Norm > largest {
						t.Errorf("%s comes after weaker ones", u.Unit)
					}
					largest = u.Top[0].Norm
				}
				if len(n.Units) != 1+len(want.Heads) {
					t.Errorf("%d units, want the neuron and %d pairs", len(n.Units), len(want.Heads))
				}
			}
		})
	}
}

// TestRetrieveNorms compares norms with those of contributions written out.
func TestRetrieveNorms(t *testing.T) {
	pairs, shape := readGolden(t, "raw_norms_nh.npy")
	sums, _ := readGolden(t, "raw_norms_n.npy")
	H, C := shape[1], shape[2]
	result := retrieve(t, RetrieveOptions{PictureOptions: goldenPictures(), Neurons: []int{3, C - 1}, Top: 100, Threads: 2})
	var got, want []float32
	for _, n := range result.Neurons {
		for _, u := range n.Units {
			if len(u.Top) != shape[0] {
				t.Fatalf("%s: %d pictures, want all %d", u.Unit, len(u.Top), shape[0])
			}
			for _, r := range u.Top {
				got = append(got, float32(r.Norm))
				if u.head == wholeNeuron {
					want = append(want, sums[r.Image*C+n.index])
				} else {
					want = append(want, pairs[(r.Image*H+u.head)*C+n.index])
				}
			}
		}
	}
	if err := testutil.Far(got, want, rounding); err != nil {
		t.Error(err)
	}
}

func TestRetrieveUnits(t *testing.T) {
	from := PictureOptions{ScoresPath: goldenScores(t)}
	for _, test := range []struct {
		name    string
		neurons []int
		pairs   []string
		want    [][]string // units, sorted by name
	}{
		{"pairs alone", nil, []string{"h2n9", "h0n9", "h1n4"}, [][]string{{"h0n9", "h2n9", "n9"}, {"h1n4", "n4"}}},
		{"both, and twice", []int{4, 4}, []string{"h2n9", "h1n4", "h2n9"}, [][]string{{"h0n4", "h1n4", "h2n4", "h3n4", "n4"}, {"h2n9", "n9"}}},
		{"all pairs of a neuron", nil, []string{"n4"}, [][]string{{"h0n4", "h1n4", "h2n4", "h3n4", "n4"}}},
	} {
		result := retrieve(t, RetrieveOptions{PictureOptions: from, Neurons: test.neurons, Pairs: test.pairs, Top: 1, Threads: 1})
		var got [][]string
		for _, n := range result.Neurons {
			var units []string
			for _, u := range n.Units {
				units = append(units, u.Unit)
			}
			slices.Sort(units)
			got = append(got, units)
		}
		if !slices.EqualFunc(got, test.want, slices.Equal) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	sums, shape := goldenDense(t, true)
	for want, o := range map[string]RetrieveOptions{
		"neuron 256":   {PictureOptions: from, Neurons: []int{256}},
		`unit "h4n0"`:  {PictureOptions: from, Pairs: []string{"h4n0"}},
		"no neurons":   {PictureOptions: from},
		"--neur-idxs":  {PictureOptions: PictureOptions{ScoresPath: sums, Shape: shape}, Pairs: []string{"h0n0"}},
		"want neurons": {PictureOptions: PictureOptions{ScoresPath: sums, Shape: shape}, Pairs: []string{"h0n0"}},
	} {
		o.Top = 1
		if _, err := Retrieve(context.Background(), o, silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestRetrieveTies gives every picture twice: of equal norms the earlier one
// comes first.
func TestRetrieveTies(t *testing.T) {
	dir := t.TempDir()
	for i, name := range goldenNames(t)[:8] {
		copyFile(t, testutil.Golden("dataset/"+name), filepath.Join(dir, string(rune('a'+i))+"1.png"))
		copyFile(t, testutil.Golden("dataset/"+name), filepath.Join(dir, string(rune('a'+i))+"2.png"))
	}
	from := goldenPictures()
	from.Data.Path = dir
	for _, n := range retrieve(t, RetrieveOptions{PictureOptions: from, Neurons: []int{37}, Top: 16, Threads: 2}).Neurons {
		for _, u := range n.Units {
			for i := 0; i < len(u.Top); i += 2 {
				if a, b := u.Top[i], u.Top[i+1]; a.Norm != b.Norm || b.Image != a.Image+1 {
					t.Errorf("%s: %s and then %s", u.Unit, a.Name, b.Name)
				}
			}
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

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

// TestRetrieveDraws compares copies with the pictures, and a second run, from
// scores and with another number of threads, with the first.
func TestRetrieveDraws(t *testing.T) {
	dir := t.TempDir()
	o := RetrieveOptions{PictureOptions: goldenPictures(), Pairs: []string{"h1n37", "h3n37"}, Top: 3, Threads: 1, SaveDir: dir, SheetHeads: 1}
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
			got, err := imageprep.ReadFile(r.Path, imageprep.Options{})
			if err != nil {
				t.Fatal(err)
			}
			picture, err := imageprep.ReadFile(testutil.Golden("dataset/"+r.Name), imageprep.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Pix, picture.Pix) {
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
	collected := goldenImages(t, "scores")
	collected.SavePath = save
	collect(t, collected)
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
	o := RetrieveOptions{PictureOptions: goldenPictures(), Pairs: []string{"h1n37"}, Top: 5, Threads: 2, SaveDir: dir}
	retrieve(t, o)
	notes := filepath.Join(dir, "37", "notes.txt")
	if err := os.WriteFile(notes, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	o.Top, o.Data = 2, labelledFolder(t)
	o.ScoresPath, o.Model = goldenScores(t), "" // no heat maps
	n := retrieve(t, o).Neurons[0]
	files := retrievedFiles(t, dir)
	if len(files) != 2+2+2 || n.Units[0].Heat != "" || files["37/notes.txt"] != "mine" {
		t.Errorf("%d files, heat %q", len(files), n.Units[0].Heat)
	}

	foreign := filepath.Join(dir, "37", "37_1", "4_40.png")
	copyFile(t, testutil.Golden("dataset/"+goldenNames(t)[0]), foreign)
	before := retrievedFiles(t, dir)
	if _, err := Retrieve(context.Background(), o, silent()); !errors.Is(err, cache.ErrExists) || !strings.Contains(err.Error(), foreign) {
		t.Errorf("error %v, want that %s is in the way", err, foreign)
	}
	if after := retrievedFiles(t, dir); len(after) != len(before) || after["37/37_1/4_40.png"] != before["37/37_1/4_40.png"] {
		t.Error("something was changed all the same")
	}
}

// TestRetrieveSkips: pictures that cannot be read when scores are made, and those
// that no longer can be.
func TestRetrieveSkips(t *testing.T) {
	pictures := t.TempDir()
	for _, name := range goldenNames(t)[:6] {
		copyFile(t, testutil.Golden("dataset/"+name), filepath.Join(pictures, name))
	}
	if err := os.WriteFile(filepath.Join(pictures, "00000.png"), []byte("broken"), 0o666); err != nil {
		t.Fatal(err)
	}
	from := goldenPictures()
	from.Data.Path = pictures
	o := RetrieveOptions{PictureOptions: from, Neurons: []int{37}, Top: 10, Threads: 2, SaveDir: t.TempDir()}
	result := retrieve(t, o)
	if len(result.Skipped) != 1 || result.Skipped[0].Name != "00000.png" || result.Images != 6 {
		t.Errorf("of %d images skipped %+v", result.Images, result.Skipped)
	}
	gone := o
	gone.ScoresPath = filepath.Join(t.TempDir(), "scores")
	collected := goldenImages(t, "scores")
	collected.SavePath, collected.Data.Path = gone.ScoresPath, pictures
	collect(t, collected)
	broken := goldenNames(t)[2]
	if err := os.WriteFile(filepath.Join(pictures, broken), []byte("broken since"), 0o666); err != nil {
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
	if _, err := Retrieve(context.Background(), gone, silent()); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("a strict run: %v", err)
	}
	if err := os.Remove(filepath.Join(pictures, goldenNames(t)[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := Retrieve(context.Background(), gone, silent()); err == nil || !strings.Contains(err.Error(), goldenNames(t)[0]) {
		t.Errorf("a picture that is not there: %v", err)
	}
}

func TestRetrieveIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	o := RetrieveOptions{PictureOptions: goldenPictures(), Neurons: []int{37, 38, 39}, Top: 10, Threads: 2, SaveDir: dir}
	// All pictures are ranked, and those of the first neuron drawn.
	if _, err := Retrieve(ctx, o, &interrupting{silent(), 48 + 20, cancel}); !errors.Is(err, context.Canceled) {
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

// TestHeatMaps holds that the locations of a product, with what the position
// embedding and the mean token add, sum up to the score.
func TestHeatMaps(t *testing.T) {
	src, err := openTowerSource(context.Background(), goldenPictures(), 2, silent())
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	d := &drawing{tower: src.tower}
	c := src.tower.Config()
	T, C := c.Tokens(), c.Neurons()
	tokens, _ := readGolden(t, "tokens.npy") // of the first four
	attention, shape := readGolden(t, "attention_cls.npy")
	scores, _ := readGolden(t, "s.npy")
	H, position := shape[1], src.tower.Position()
	for b, name := range goldenNames(t)[:4] {
		pixels := make([]float32, src.tower.PictureLen())
		if err := imageprep.Preprocess(pixels, testutil.Golden("dataset/"+name), c.ImageSize, imageprep.Options{}); err != nil {
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
			if err := testutil.Far(got, want, rounding); err != nil {
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

// TestRetrieveWords puts words beside units, also where some have no code.
func TestRetrieveWords(t *testing.T) {
	o := RetrieveOptions{PictureOptions: PictureOptions{ScoresPath: goldenScores(t)}, Neurons: []int{37}, Top: 2, Threads: 1}
	words, err := textlist.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	o.Words, o.Components = words, 3
	o.DecompositionPaths = []string{testutil.Golden("codes_nh_ref.npz"), testutil.Golden("codes_n_ref.npz")}
	for _, u := range retrieve(t, o).Neurons[0].Units {
		shape := unitShape{4, 256}
		coded := DescribeOptions{CodingOptions: CodingOptions{Words: o.Words, Components: 3, Units: []string{u.Unit}, PCsPath: testutil.Golden("pc0_nh.npy")}, DecompositionPath: o.DecompositionPaths[0]}
		if u.head == wholeNeuron {
			coded.DecompositionPath, coded.PCsPath, shape = o.DecompositionPaths[1], testutil.Golden("pc0_n.npy"), unitShape{256}
		}
		want, err := Describe(context.Background(), coded)
		if err != nil {
			t.Fatal(err)
		}
		if want[0].Unit != shape.name(want[0].Index) || !slices.Equal(u.Words, want[0].Terms) {
			t.Errorf("%s: %v, want %v", u.Unit, u.Words, want[0].Terms)
		}
	}
	o.DecompositionPaths = o.DecompositionPaths[1:]
	for _, u := range retrieve(t, o).Neurons[0].Units {
		if (len(u.Words) > 0) != (u.head == wholeNeuron) {
			t.Errorf("%s: words %v", u.Unit, u.Words)
		}
	}
	o.Words = o.Words[1:]
	if _, err := Retrieve(context.Background(), o, silent()); err == nil || !strings.Contains(err.Error(), "300") {
		t.Errorf("codes over other words: %v", err)
	}
}

// TestSheetsFit draws long names and words, few pictures and many, and looks for
// ink at the edges, where there must be none.
func TestSheetsFit(t *testing.T) {
	long := strings.Repeat("a very long name ", 20)
	crop := canvas.Picture{Pix: bytes.Repeat([]byte{90}, 3*thumbSide*thumbSide), W: thumbSide, H: thumbSide}
	pictures := map[int]*shown{
		0: {crop: crop, activation: []float32{0, 1, 2, 3}, attention: []float32{.1, .2, .3, .4, .4, .3, .2, .1}},
		1: {err: errors.New("broken")},
	}
	for _, count := range []int{1, 2, 12} {
		var units []RetrievedUnit
		for head := wholeNeuron; head < 2; head++ {
			u := RetrievedUnit{Unit: "h47n123456", head: head}
			for i := range 9 {
				u.Words = append(u.Words, Term{Word: long, Coefficient: float32(i) * -1000})
			}
			for i := range count {
				u.Top = append(u.Top, Retrieved{Rank: i, Image: i % 2, Name: long, Norm: 123456789})
			}
			units = append(units, u)
		}
		for name, c := range map[string]*canvas.Canvas{
			"contact": contactSheet("n123456", units, pictures, 1000000), "heat": heatSheet(units[count%3], pictures, 2),
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
				for _, x := range []int{2, margin - 8, m.Bounds().Dx() - margin + 8, m.Bounds().Dx() - 2} {
					if r, g, b, _ := m.At(x, y).RGBA(); min(r, g, b) < 0xd000 {
						t.Fatalf("%s sheet of %d: ink at %d,%d of %v", name, count, x, y, m.Bounds())
					}
				}
			}
			for x := range m.Bounds().Dx() {
				if r, _, _, _ := m.At(x, m.Bounds().Dy()-margin/2).RGBA(); r < 0xd000 {
					t.Fatalf("%s sheet of %d: ink at the foot", name, count)
				}
			}
		}
	}
}

// TestRetrieveDemo holds what is known of a few units of the trained model: heads
// pick kinds of things of a neuron's colour.
func TestRetrieveDemo(t *testing.T) {
	assets := filepath.Join("..", "demo", "assets")
	data := dataset.Options{Kind: dataset.ImageNetVal, Path: filepath.Join(assets, "imagenet")}
	pictures, err := dataset.Open(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	class := map[string]string{}
	for _, item := range pictures.Items {
		class[item.Name] = pictures.Classes[item.Label]
	}
	o := RetrieveOptions{
		PictureOptions: PictureOptions{Model: filepath.Join(assets, demo.Model), BatchSize: 8, Stride: 1, Data: data},
		Neurons:        []int{498, 153, 281, 196}, Top: 10, Threads: 2,
	}
	result := retrieve(t, o)
	for _, want := range []struct {
		unit, class string
		least       int // of ten
	}{
		{"n498", "blue", 10}, {"h2n498", "blue house", 8}, {"h5n498", "blue square", 8},
		{"n153", "green", 10}, {"h1n153", "green car", 6}, {"h2n153", "green butterfly", 8},
		{"n281", "black", 9}, {"h3n281", "black triangle", 6}, {"h6n281", "black tree", 6},
		{"n196", "black", 9}, {"h7n196", "black fish", 6}, {"h5n196", "black tree", 6},
	} {
		count := 0
		for _, n := range result.Neurons {
			for _, u := range n.Units {
				for _, r := range u.Top {
					if u.Unit == want.unit && strings.HasPrefix(class[r.Name], want.class) {
						count++
					}
				}
			}
		}
		if count < want.least {
			t.Errorf("%s: %d of 10 pictures show a %s, want %d", want.unit, count, want.class, want.least)
		}
	}
}
