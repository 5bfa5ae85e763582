package concepts

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// options are those of the golden images, components and words.
func options(t *testing.T, pcs string) Options {
	t.Helper()
	words, err := textlist.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		DescribeOptions: coding.DescribeOptions{Options: coding.Options{
			PCsPath: testutil.Golden(pcs), EmbeddingsPath: testutil.Golden("text/words.npy"), Words: words, WordsPath: "words.txt",
			Method: describe.Best, Normalize: describe.BestNormalization, Components: 4, Threads: 2,
		}},
		ScoresPath: pipelinetest.GoldenScores(t), TopImages: 6, List: 300,
	}
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// effectsOf are the centred contributions of all units, written out, [units][B][O].
func effectsOf(t *testing.T, scores string, pairs bool) [][][]float64 {
	t.Helper()
	s, err := artefact.Reader{}.Scores(scores, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	B, H, C, O := s.Images, s.OV.Heads, s.OV.Neurons, s.OV.OutDim
	rows := make([]float32, B*H*C)
	if err := s.Read(rows, 0); err != nil {
		t.Fatal(err)
	}
	v := s.OV.AllDirections(par.NewTeam(1))
	units := C
	if pairs {
		units = H * C
	}
	all := make([][][]float64, units)
	for u := range all {
		all[u] = make([][]float64, B)
		mean := make([]float64, O)
		for b := range B {
			all[u][b] = make([]float64, O)
			for h := range H {
				if pairs && h != u/C {
					continue
				}
				at := h*C + u%C
				for o := range O {
					all[u][b][o] += float64(rows[b*H*C+at]) * float64(v[at*O+o])
				}
			}
			for o, x := range all[u][b] {
				mean[o] += x / float64(B)
			}
		}
		for b := range B {
			for o := range mean {
				all[u][b][o] -= mean[o]
			}
		}
	}
	return all
}

// The words of images are those that contributions written out give, of pairs and of neurons.
func TestWords(t *testing.T) {
	for _, pcs := range []string{"pc0_nh.npy", "pc0_n.npy"} {
		o := options(t, pcs)
		r := run(t, o)
		effects := effectsOf(t, o.ScoresPath, r.Unit == "pair")
		if r.Units != len(effects) || len(r.Images) != r.Collected {
			t.Fatalf("%s: %d units and %d images, want %d and %d", pcs, r.Units, len(r.Images), len(effects), r.Collected)
		}
		described, err := coding.Describe(context.Background(), o.DescribeOptions)
		if err != nil {
			t.Fatal(err)
		}
		components, _, err := npy.ReadFloat32(o.PCsPath)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []int{0, 17, r.Collected - 1} {
			weights, units := map[string]float64{}, 0
			for u, rows := range effects {
				norm := func(b int) float64 {
					sum := 0.0
					for _, x := range rows[b] {
						sum += x * x
					}
					return math.Sqrt(sum)
				}
				larger := 0
				for b := range rows {
					if norm(b) > norm(q)*(1+1e-9) {
						larger++
					}
				}
				if larger >= o.TopImages || norm(q) == 0 {
					continue
				}
				units++
				along := 0.0
				for i, x := range rows[q] {
					along += x * float64(components[u*len(rows[q])+i])
				}
				for _, term := range described[u].Terms {
					weights[term.Word] += float64(term.Coefficient) * along
				}
			}
			image := r.Images[q]
			if image.Units != units {
				t.Errorf("%s, image %d: %d units, want %d", pcs, q, image.Units, units)
			}
			positive := 0
			for _, w := range weights {
				if w > 0 {
					positive++
				}
			}
			if len(image.Words) != positive || positive < 3 {
				t.Errorf("%s, image %d: %d words, want %d", pcs, q, len(image.Words), positive)
			}
			for _, w := range image.Words {
				if want := weights[w.Word]; math.Abs(w.Weight-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("%s, image %d: %s %g, want %g", pcs, q, w.Word, w.Weight, want)
				}
			}
			if !slices.IsSortedFunc(image.Words, func(a, b coding.Weighed) int { return cmp.Compare(b.Weight, a.Weight) }) {
				t.Errorf("%s, image %d: words are not in their order", pcs, q)
			}
		}
	}
}

// An image that is described by itself, with others or by other threads has the same words.
func TestSameWords(t *testing.T) {
	o := options(t, "pc0_nh.npy")
	all := run(t, o)
	name := all.Images[5].Name
	for what, change := range map[string]func(*Options){
		"alone":         func(o *Options) { o.Images = []string{name} },
		"beside others": func(o *Options) { o.Images = []string{all.Images[9].Name, name} },
		"one thread":    func(o *Options) { o.Images, o.Threads = []string{name}, 1 },
	} {
		o := o
		change(&o)
		r := run(t, o)
		got := r.Images[len(r.Images)-1]
		if got.Name != name || got.Units != all.Images[5].Units || !slices.EqualFunc(got.Words, all.Images[5].Words, func(a, b coding.Weighed) bool {
			return a.Word == b.Word && a.Weight == b.Weight && slices.Equal(a.Parts, b.Parts)
		}) {
			t.Errorf("%s: other words", what)
		}
	}
}

// TestTopImages takes the given number of a unit's strongest images, and without one 2 % of the
// collection's, at least one.
func TestTopImages(t *testing.T) {
	o := options(t, "pc0_n.npy")
	for given, want := range map[int]int{6: 6, 0: 1} {
		if o.TopImages = given; run(t, o).TopImages != want {
			t.Errorf("of 48 images %d, given %d; want %d", run(t, o).TopImages, given, want)
		}
	}
	golden, _ := pipelinetest.ReadGolden(t, "s.npy")
	s, err := artefact.Reader{}.Scores(o.ScoresPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var names []string
	for i := range 3 * s.Images {
		names = append(names, fmt.Sprintf("%03d.png", i))
	}
	o.ScoresPath = pipelinetest.ScoresOf(t, s.OV, names, slices.Concat(golden, golden, golden), origin.Origin{})
	o.Images, o.TopImages = names[:1], 0
	if r := run(t, o); r.Collected != 144 || r.TopImages != 2 {
		t.Errorf("of %d images %d, want 2 of 144", r.Collected, r.TopImages)
	}
}

func TestRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"more than there are": {func(o *Options) { o.TopImages = 1000 }, "{top-images} 1000: "},
		"no such image":       {func(o *Options) { o.Images = []string{"none.png"} }, "no image of "},
		"other components":    {func(o *Options) { o.PCsPath = testutil.Golden("text/words.npy") }, "as the scores have it"},
		"no table":            {func(o *Options) { o.AttributesPath = "none.csv" }, "none.csv"},
	} {
		o := options(t, "pc0_n.npy")
		c.change(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func TestColumns(t *testing.T) {
	words := func(list ...string) (image Image) {
		for _, w := range list {
			image.Words = append(image.Words, coding.Weighed{Word: w})
		}
		return image
	}
	attributes := []dataset.Attribute{
		{Column: "colour", Names: []string{"red", "crimson"}, Images: []int{0, 1}},
		{Column: "colour", Names: []string{"blue"}, Images: []int{2}},
		{Column: "thing", Names: []string{"car"}, Images: []int{0}},
	}
	got := columns(attributes, []Image{words("Crimson car", "tree"), words("blue"), words("blue sky", "red"), words("sea")})
	if len(got) != 2 || got[0].Column != "colour" || got[0].Images != 3 || got[0].Named != 2 || got[1].Images != 1 || got[1].Named != 1 {
		t.Fatalf("got %+v", got)
	}
	// Red is named by images 0 and 2, blue by 1 and 2: of the others of image 0 one of three, of
	// image 1 two, of image 2 one.
	if want := 4.0 / 9; math.Abs(*got[0].Others-want) > 1e-15 || *got[1].Others != 0 {
		t.Errorf("others %g and %g, want %g and 0", *got[0].Others, *got[1].Others, want)
	}
	if one := columns(attributes[2:], []Image{words("car")}); one[0].Others != nil {
		t.Errorf("others of one image: %g", *one[0].Others)
	}
}

// TestColumnsOfOneValue reads a table in which a value occurs in two columns: each is measured by
// what it says itself.
func TestColumnsOfOneValue(t *testing.T) {
	o := options(t, "pc0_n.npy")
	o.List = 1
	images := run(t, o).Images
	x, word := images[0], images[0].Words[0].Word
	at := slices.IndexFunc(images, func(i Image) bool { return i.Words[0].Word != word })
	y, other := images[at], images[at].Words[0].Word
	o.Images = []string{x.Name, y.Name}
	o.AttributesPath = attributesFile(t, fmt.Sprintf("image,fore,back\n%s,%s,%s\n%s,%s,%s\n", x.Name, word, other, y.Name, other, word))
	if got := run(t, o).Named; len(got) != 2 || got[0].Column != "fore" || got[0].Images != 2 || got[0].Named != 2 || got[1].Column != "back" || got[1].Images != 2 || got[1].Named != 0 {
		t.Errorf("got %+v, want 2 of 2 named in front and none behind", got)
	}
}

func attributesFile(t *testing.T, table string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "attributes.csv")
	if err := os.WriteFile(file, []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestNoAttributes refuses a table that says nothing of any image.
func TestNoAttributes(t *testing.T) {
	o := options(t, "pc0_n.npy")
	table := "image,fore,back\n"
	for _, image := range run(t, o).Images {
		table += image.Name + ", ,\n"
	}
	o.AttributesPath = attributesFile(t, table)
	want := o.AttributesPath + ": no attribute of any of 48 images, want some that are true of them"
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); testutil.Line(err, want) != nil {
		t.Errorf("%v, want %q", err, want)
	}
}

// Neurons that are ranked in several parts have the ranks of all together.
func TestNeuronParts(t *testing.T) {
	s, err := artefact.Reader{}.Scores(pipelinetest.GoldenScores(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, team := context.Background(), par.NewTeam(2)
	H, C := s.OV.Heads, s.OV.Neurons
	e := &effects{ov: s.OV, means: make([]float64, H*C)}
	images := make([]float32, 2*H*C)
	if err := s.Read(images, 3); err != nil {
		t.Fatal(err)
	}
	larger, sizes, err := e.rank(ctx, s, images, team)
	if err != nil {
		t.Fatal(err)
	}
	parts, partSizes := make([]int32, len(larger)), make([]float64, len(sizes))
	for _, cut := range [][2]int{{0, 5}, {5, 300}, {300, C}} {
		if cut[0] >= C {
			continue
		}
		if err := e.rankNeurons(ctx, s, images, cut[0], min(cut[1], C), parts, partSizes, team); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(parts, larger) || !slices.Equal(partSizes, sizes) {
		t.Error("ranks depend on the parts")
	}
}

// A unit without a component has no effect, and counts for no image.
func TestNull(t *testing.T) {
	o := options(t, "pc0_n.npy")
	components, shape, err := npy.ReadFloat32(o.PCsPath)
	if err != nil {
		t.Fatal(err)
	}
	all := run(t, o)
	for n := range shape[0] / 2 {
		clear(components[2*n*shape[1] : (2*n+1)*shape[1]])
	}
	o.PCsPath = pipelinetest.WriteNPY(t, shape, components)
	before, after := 0, 0
	for i, image := range run(t, o).Images {
		before, after = before+all.Images[i].Units, after+image.Units
		for _, w := range image.Words {
			for _, p := range w.Parts {
				if n := strings.TrimPrefix(p.Unit, "n"); strings.ContainsAny(n[len(n)-1:], "02468") {
					t.Errorf("%s has words of %s, which has no component", image.Name, p.Unit)
				}
			}
		}
	}
	if after == 0 || after > before*3/4 {
		t.Errorf("%d units count, want about half of %d", after, before)
	}
}
