package heat

import (
	"encoding/json"
	"image/png"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// The manifest's tolerances: of pair scores, and of logits.
const (
	scoreTolerance = 1e-4
	logitTolerance = 2e-4
)

func read(t *testing.T, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// readInts reads integers or booleans.
func readInts(t *testing.T, name string) []int64 {
	t.Helper()
	a, err := npy.ReadFile(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	if flags, err := a.Bool(); err == nil {
		ints := make([]int64, len(flags))
		for i, f := range flags {
			if f {
				ints[i] = 1
			}
		}
		return ints
	}
	ints, err := a.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return ints
}

// params is seg/params.json.
type params struct {
	AreaThd    float64 `json:"area_thd"`
	ProbThd    float64 `json:"prob_thd"`
	LogitScale float64 `json:"logit_scale"`
	Crop       int     `json:"crop"`
	Stride     int     `json:"stride"`
	K          int     `json:"k"`
	Size       [2]int  `json:"ori_size"`
	Class      []int   `json:"query_idx"`
	Mean, Std  [3]float64
}

func readJSON[T any](t *testing.T, name string) (v T) {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden(name))
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// goldenText is the golden queries, centred.
func goldenText(t *testing.T) ([]float32, int) {
	text, shape := read(t, "text/seg_embeddings.npy")
	if err := Centre(text, shape[1]); err != nil {
		t.Fatal(err)
	}
	return text, shape[1]
}

func goldenPairs(t *testing.T, text []float32, outDim int) *Pairs {
	pcs, shape := read(t, "pc0_nh.npy")
	units := shape[0] * shape[1]
	choice := NewChoice(text, outDim, units)
	half := units / 3 // groups of any size
	choice.Add(0, pcs[:half*outDim], par.Team{})
	choice.Add(half, pcs[half*outDim:], par.NewTeam(2))
	return choice.Best(readJSON[params](t, "seg/params.json").K, par.NewTeam(2))
}

func TestPairs(t *testing.T) {
	text, O := goldenText(t)
	pairs := goldenPairs(t, text, O)
	want, shape := read(t, "seg/pair_scores.npy")
	if err := testutil.Far(pairs.Score, want, scoreTolerance); err != nil {
		t.Error(err)
	}
	heads, neurons := readInts(t, "seg/pair_heads.npy"), readInts(t, "seg/pair_neurons.npy")
	K := shape[1]
	for p := range shape[0] {
		got := slices.Sorted(slices.Values(pairs.Index[p*K : (p+1)*K]))
		var want []int32
		for i := p * K; i < (p+1)*K; i++ {
			want = append(want, int32(heads[i]*256+neurons[i]))
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("query %d: pairs %v, want %v", p, got, want)
		}
	}
}

var allMethods = []Method{ByPairs, ByHeads, ByNeurons, ByValues, BySelfSelf}

// goldenTower runs windows of the golden model through Heat.
type goldenTower struct {
	tower    *clip.ResNetTower
	heat     *Mapper
	conv     int // block whose map counts
	lens     bool
	queries  int
	settings Options
}

func newGoldenTower(t *testing.T, o Options, conv, lens int) *goldenTower {
	t.Helper()
	ck, err := clip.OpenWith(testutil.Golden("model/tiny_sd_fp32.pt"), clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	io := clip.ImageOptions{Batch: 1, Threads: 2, KeepBlocks: true, TokenValues: true, SelfSelf: true}
	if lens >= 0 {
		io.Lenses = []int{lens}
	}
	tower, err := clip.NewResNetTower(ck, io)
	if err != nil {
		t.Fatal(err)
	}
	text, O := goldenText(t)
	heat := NewMapper(tower.OV(), text, goldenPairs(t, text, O), o, par.NewTeam(2))
	return &goldenTower{tower, heat, conv, lens >= 0, len(text) / O, o}
}

// logits returns the patch logits of an image for every method.
func (g *goldenTower) logits(t *testing.T, image []float32, team par.Team) [][]float32 {
	t.Helper()
	c := g.tower.Config()
	H, C, T := c.Heads(), c.Neurons(), c.Tokens()
	pool := clip.Output{Attention: make([]float32, H*T), TokenValues: make([]float32, T*C), SelfSelf: make([]float32, T*C)}
	out := pool
	out.Blocks = make([][]float32, c.Layers[3])
	out.Blocks[g.conv] = make([]float32, (T-1)*C)
	if g.lens {
		out = clip.Output{Blocks: out.Blocks, Lenses: []clip.Output{pool}}
	}
	if err := g.tower.Run(image, out); err != nil {
		t.Fatal(err)
	}
	var dst [][]float32
	for range g.settings.Methods {
		dst = append(dst, make([]float32, g.queries*(T-1)))
	}
	w := &Window{Rows: c.Grid(), Cols: c.Grid(), Map: out.Blocks[g.conv], Attention: pool.Attention, Values: pool.TokenValues, SelfSelf: pool.SelfSelf}
	g.heat.Logits(dst, w, team)
	return dst
}

func TestPatchLogits(t *testing.T) {
	images, shape := read(t, "dataset_pre4.npy")
	each := len(images) / shape[0]
	for _, c := range []struct {
		conv, sim int
		files     []string
	}{
		{1, -1, []string{"logits_product", "logits_head", "logits_neuron", "logits_values_only", "logits_self_self"}},
		{0, 1, []string{"logits_product_maps_0_1"}},
	} {
		g := newGoldenTower(t, Options{Methods: allMethods[:len(c.files)], Sink: true}, c.conv, c.sim)
		got := make([][]float32, len(c.files))
		for i := range shape[0] {
			for j, logits := range g.logits(t, images[i*each:(i+1)*each], par.NewTeam(1+i%3)) {
				got[j] = append(got[j], logits...)
			}
		}
		for j, name := range c.files {
			want, _ := read(t, "seg/"+name+".npy")
			if err := testutil.Far(got[j], want, logitTolerance); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// slide returns the field of the golden image for the sliding window.
func slide(t *testing.T) *Field {
	t.Helper()
	p := readJSON[params](t, "seg/params.json")
	file, err := imageprep.Load(testutil.Golden("seg/slide.png"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := file.Decode(imageprep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := newGoldenTower(t, Options{Methods: []Method{ByPairs}, Sink: true}, 1, -1)
	down, across := NewAxis(img.H, p.Crop, p.Stride, 32, false), NewAxis(img.W, p.Crop, p.Stride, 32, false)
	f := NewField(g.queries, down, across, p.Size[0], p.Size[1])
	window := make([]float32, 3*p.Crop*p.Crop)
	for i, top := range down.Starts {
		for j, left := range across.Starts {
			for c := range 3 {
				for y := range p.Crop {
					for x := range p.Crop {
						v := float64(img.Pix[3*((top+y)*img.W+left+x)+c])
						window[(c*p.Crop+y)*p.Crop+x] = float32((v - p.Mean[c]) / p.Std[c])
					}
				}
			}
			f.Set(i, j, down.Cells(), across.Cells(), g.logits(t, window, par.NewTeam(2))[0])
		}
	}
	return f
}

func TestSlide(t *testing.T) {
	f := slide(t)
	want, _ := read(t, "seg/slide_logits.npy")
	if err := testutil.Far(f.Logits(par.NewTeam(2)), want, logitTolerance); err != nil {
		t.Error(err)
	}
}

func TestLabels(t *testing.T) {
	f := slide(t)
	p := readJSON[params](t, "seg/params.json")
	for _, c := range []struct {
		name       string
		prob, area float64
	}{
		{"plain", 0, 0}, {"prob", p.ProbThd, 0}, {"area", 0, p.AreaThd}, {"both", p.ProbThd, p.AreaThd},
	} {
		got := make([]uint16, p.Size[0]*p.Size[1])
		f.Labels(got, LabelOptions{Class: p.Class, LogitScale: p.LogitScale, ProbThd: c.prob, AreaThd: c.area}, par.NewTeam(2))
		want, clear := readInts(t, "seg/labels_"+c.name+".npy"), readInts(t, "seg/labels_"+c.name+"_clear.npy")
		wrong := 0
		for i, label := range got {
			if clear[i] != 0 && int64(label) != want[i] {
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d labels differ where the choice is clear", c.name, wrong, len(got))
		}
	}
}

func TestScoresGolden(t *testing.T) {
	file, err := os.Open(testutil.Golden("seg/truth.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	given := readInts(t, "seg/labels_both.npy")
	labels, truth := make([]uint16, len(given)), make([]uint16, len(given))
	w := img.Bounds().Dx()
	for i, v := range given {
		grey, _, _, _ := img.At(i%w, i/w).RGBA()
		labels[i], truth[i] = uint16(v), uint16(grey>>8)
	}
	want := readJSON[struct {
		AAcc, MAcc, MIoU float64
		IoU              []float64
	}](t, "seg/miou.json")
	c := NewConfusion(len(want.IoU))
	c.Add(labels, truth)
	s := c.Scores()
	const tolerance = 1e-6 // the manifest's
	near := func(what string, got, want float64) {
		if !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	near("mIoU", s.MIoU, want.MIoU)
	near("pixel accuracy", s.PixelAccuracy, want.AAcc)
	near("mean accuracy", s.MeanAccuracy, want.MAcc)
	for i, v := range want.IoU {
		near("IoU of class "+string(rune('0'+i)), s.IoU[i], v)
	}
}
