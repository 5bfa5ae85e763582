package edit

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// What testdata/vit_goldens.py edits: neurons of vitLayer with their factors.
const (
	vitLayer, vitNeurons, vitTokens, vitDims, vitImages = 2, 128, 37, 24, 8
)

type vitEdit struct {
	factors map[int]float64
	by      string
}

func vitEdits() []vitEdit {
	third := map[int]float64{}
	for n := 0; n < vitNeurons; n += 3 {
		third[n] = 0
	}
	return []vitEdit{
		{map[int]float64{5: 0, 7: 0}, ByMean}, {map[int]float64{5: 0, 100: 0}, ByZero},
		{map[int]float64{3: 0.5, 11: -1.25, 64: 2}, ByMean}, {third, ByMean},
	}
}

// vitDetails are what the golden files do not say.
func vitDetails() model.Details { return model.Details{Heads: 4, Activation: "gelu"} }

// vitMeans writes the golden mean activations as collect does, [N,T].
func vitMeans(t testing.TB) string {
	t.Helper()
	means, _ := pipelinetest.ReadNPY(t, "testdata/vit_means.npy")
	rows := make([]float32, vitNeurons*vitTokens)
	for i := range rows {
		rows[i] = means[i/vitTokens]
	}
	return saveNPY(t, []int{vitNeurons, vitTokens}, rows)
}

func (v vitEdit) options(t testing.TB, file, save string) Options {
	layer := vitLayer
	o := Options{Model: testutil.GoldenViT(file), SavePath: save, Threads: 2, By: v.by, Images: source.Options{Details: vitDetails(), NeuronLayer: &layer}}
	if v.by == ByMean {
		o.MeansPath = vitMeans(t)
	}
	for n, f := range v.factors {
		if name := fmt.Sprintf("l%dn%d", vitLayer, n); f == 0 {
			o.Remove = append(o.Remove, name)
		} else {
			o.Scale = append(o.Scale, Scaled{name, f})
		}
	}
	return o
}

// lookViT are the features of the golden images by a checkpoint.
func lookViT(t testing.TB, path string) []float32 {
	t.Helper()
	ck, err := clip.OpenWith(path, vitDetails())
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: 4, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	pixels, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("images.npy"))
	features := make([]float32, vitImages*vitDims)
	if err := tower.Run(pixels, clip.Output{Features: features}); err != nil {
		t.Fatal(err)
	}
	return features
}

// TestNeurons edits neurons of the golden vision transformer in every form, and compares the
// features of the written checkpoints with those of PyTorch, in which activations are
// replaced.
func TestNeurons(t *testing.T) {
	want, shape := pipelinetest.ReadNPY(t, "testdata/vit_features.npy")
	each := len(want) / shape[0]
	for _, file := range []string{"vit_sd32.pt", "vit_sd16.pt", "vit_openclip.pt"} {
		for i, v := range vitEdits() {
			save := filepath.Join(t.TempDir(), "edited"+[]string{".pt", ".safetensors"}[i%2])
			r := run(t, v.options(t, file, save))
			tolerance := exact
			if r.Rounded > 0 && r.DType != "float32" {
				tolerance = half
			}
			name := fmt.Sprint(file, ", edit ", i)
			far(t, name, lookViT(t, save), want[i*each:(i+1)*each], tolerance)
			if n := len(v.factors); len(r.Changes) != n || r.Columns != n || r.Pairs != 8*n || r.Changes[0].Neuron == "" || r.Changes[0].Pair != "" {
				t.Errorf("%s: %d changes, %d columns, %d pairs, first %+v", name, len(r.Changes), r.Columns, r.Pairs, r.Changes[0])
			}
			if file == "vit_sd16.pt" && v.by == ByMean && (r.Bias.DType != "float32" || r.Bias.WasDType != "float16" || r.Bias.Rounding == 0) {
				t.Errorf("%s: bias %+v", name, r.Bias)
			}
		}
	}
}

// TestOrders compares what neurons and their pairs add by themselves with PyTorch's, and
// what Run says of a movement with both.
func TestOrders(t *testing.T) {
	first, shape := pipelinetest.ReadNPY(t, "testdata/vit_first.npy")
	second, _ := pipelinetest.ReadNPY(t, "testdata/vit_second.npy")
	moved, _ := pipelinetest.ReadNPY(t, "testdata/vit_features.npy")
	before, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/feature.npy"))
	pixels, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("images.npy"))
	means, _ := pipelinetest.ReadNPY(t, "testdata/vit_means.npy")
	each, layer := len(first)/shape[0], vitLayer
	ck, err := clip.OpenWith(testutil.GoldenViT("vit_sd32.pt"), vitDetails())
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	pairs, err := ck.Pairs(&layer)
	if err != nil {
		t.Fatal(err)
	}
	o := clip.ImageOptions{Batch: 8, Threads: 2, PairTokens: true}
	pairs.Want(&o)
	tower, err := clip.NewImageTower(ck, o)
	if err != nil {
		t.Fatal(err)
	}
	H := pairs.Heads
	seen := clip.Seen{
		Images: vitImages, Pixels: pixels, Scores: make([]float32, vitImages*H*vitNeurons), Weights: make([]float32, vitImages*H*vitTokens),
		Neurons: make([]float32, vitImages*vitTokens*vitNeurons), Statistics: make([]float32, 2*vitImages),
	}
	if err := tower.Run(pixels, clip.Output{Scores: seen.Scores, Weights: seen.Weights, Neurons: seen.Neurons, Statistics: seen.Statistics}); err != nil {
		t.Fatal(err)
	}
	for i, v := range vitEdits() {
		factors, used := slices.Repeat([]float64{1}, H*vitNeurons), make([]float64, vitNeurons)
		for u := range factors {
			if f, ok := v.factors[u%vitNeurons]; ok {
				factors[u] = f
			}
		}
		for n := range used {
			if v.by == ByMean {
				used[n] = float64(means[n])
			}
		}
		edit, err := pairs.Weights().Edit(factors, used)
		if err != nil {
			t.Fatal(err)
		}
		after, err := edit.Edited(clip.ImageOptions{Batch: 8, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		got := [2][]float32{make([]float32, each), make([]float32, each)}
		if !after.Orders(got[0], got[1], seen, par.NewTeam(2)) {
			t.Fatal("no orders")
		}
		far(t, fmt.Sprint("first order of edit ", i), got[0], first[i*each:(i+1)*each], exact)
		far(t, fmt.Sprint("second order of edit ", i), got[1], second[i*each:(i+1)*each], exact)

		options := v.options(t, "vit_sd32.pt", filepath.Join(t.TempDir(), "edited.pt"))
		options.Images.Data, options.Images.Stride, options.Images.BatchSize = dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, 1, 3
		r := run(t, options)
		want := &Movement{}
		for b := range vitImages {
			lo := b * vitDims
			at := i*each + lo
			want.addOrders(before[lo:lo+vitDims], moved[at:at+vitDims], first[at:at+vitDims], second[at:at+vitDims])
		}
		for name, sizes := range map[string][2]Size{
			"first": {r.Moved.Orders.First, want.Orders.First}, "second": {r.Moved.Orders.Second, want.Orders.Second}, "rest": {r.Moved.Orders.Rest, want.Orders.Rest},
		} {
			got := []float32{float32(sizes[0].Mean), float32(sizes[0].Max)}
			far(t, name, got, []float32{float32(sizes[1].Mean / vitImages), float32(sizes[1].Max)}, 1e-4)
		}
	}
}

// TestResNetHasNoOrders holds that an edit of the ResNet has no orders: pairs are all that
// changes.
func TestResNetHasNoOrders(t *testing.T) {
	o := Options{
		Model: pipelinetest.TinyModel(), SavePath: filepath.Join(t.TempDir(), "edited.pt"), Threads: 2, By: ByZero, Remove: []string{"h1n70"},
		Images: source.Options{Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")}, Stride: 1, BatchSize: 8},
	}
	if r := run(t, o); r.Moved.Orders != nil {
		t.Errorf("orders %+v", r.Moved.Orders)
	}
}

// TestNeuronComponents takes components of neurons for texts.
func TestNeuronComponents(t *testing.T) {
	pcs := make([]float32, vitNeurons*vitDims)
	for n := range vitNeurons {
		pcs[n*vitDims] = float32(n%7) - float32(n)/1000
	}
	components := filepath.Join(t.TempDir(), "pcs.npy") // of other lengths than 1, which only an artefact may have
	if err := (artefact.Writer{Store: new(cache.Store)}).SaveFloat32(artefact.KindComponents, components, []string{"C", "O"}, []int{vitNeurons, vitDims}, pcs, origin.Origin{}); err != nil {
		t.Fatal(err)
	}
	model := pipelinetest.GoldenViTWithText(t)
	layer := vitLayer
	o := Options{Model: model, SavePath: filepath.Join(t.TempDir(), "edited.pt"), Threads: 2, By: ByZero,
		TextOptions: TextOptions{Texts: []string{"dog"}, K: 2, PCsPath: components, Vocab: testutil.Golden("text/toy_merges.txt.gz")},
		Images:      source.Options{Details: vitDetails(), NeuronLayer: &layer}}
	r := run(t, o)
	sign := 1.0 // of the text along the one dimension that components have
	if r.Texts[0].Neurons[0].Cosine*float64(pcs[6*vitDims]) < 0 {
		sign = -1
	}
	want := []string{"l2n6", "l2n13"}
	if sign < 0 {
		want = []string{"l2n126", "l2n119"}
	}
	var got, changed []string
	for _, n := range r.Texts[0].Neurons {
		got = append(got, n.Unit)
	}
	for _, c := range r.Changes {
		changed = append(changed, c.Neuron)
	}
	slices.Sort(got)
	slices.Sort(want)
	slices.Sort(changed)
	if !slices.Equal(got, want) || !slices.Equal(changed, want) || len(r.Texts[0].Pairs) != 0 {
		t.Errorf("found %v, changed %v, want %v", got, changed, want)
	}
	// Without components, the weights tell of pairs, which are not taken out alone.
	o.PCsPath = ""
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "has no weights of its own") {
		t.Errorf("pairs of a text: %v", err)
	}
}

// TestInseparable refuses pairs that have no weights of their own, and means that are not of
// activations.
func TestInseparable(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"a pair":         {func(o *Options) { o.Remove = []string{"l2n3", "l4h1n5"} }, "pair l4h1n5 has no weights of its own: all pairs of l2n5 share them"},
		"all but a pair": {func(o *Options) { o.Scale = []Scaled{{"l3h0n5", 2}} }, "pair l3h0n5 has no weights"},
		"a mask of pairs": {func(o *Options) {
			var b bytes.Buffer
			keep := slices.Repeat([]bool{true}, 8*vitNeurons)
			keep[3*vitNeurons+9] = false
			if err := npy.Write(&b, []int{8, vitNeurons}, keep); err != nil {
				t.Fatal(err)
			}
			o.MaskPath = filepath.Join(t.TempDir(), "mask.npy")
			write(t, o.MaskPath, b.Bytes())
		}, "pair l3h3n9 has no weights"},
		"scores": {func(o *Options) { o.Remove, o.By, o.ScoresPath = []string{"l2n5"}, ByMean, "scores" }, "scores do not say the mean activations"},
		"means of contributions": {func(o *Options) {
			o.Remove, o.By = []string{"l2n5"}, ByMean
			o.MeansPath = saveNPY(t, []int{8, vitNeurons, vitDims}, make([]float32, 8*vitNeurons*vitDims))
		}, "want 128x37, mean activations of the neurons"},
		"no layer's label":      {func(o *Options) { o.Remove = []string{"n5"} }, `unit "n5": a name in a ResNet, and these units are of a vision transformer: want a neuron, l2n0 to l2n127`},
		"another layer's label": {func(o *Options) { o.Remove = []string{"l1n5"} }, `unit "l1n5": want a neuron, l2n0 to l2n127`},
	} {
		layer := vitLayer
		o := Options{Model: testutil.GoldenViT("vit_sd32.pt"), SavePath: filepath.Join(t.TempDir(), "edited.pt"), Threads: 2, By: ByZero,
			Images: source.Options{Details: vitDetails(), NeuronLayer: &layer}}
		tc.change(&o)
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// TestNothingChanges compares images where every factor is 1.
func TestNothingChanges(t *testing.T) {
	o := vitEdit{map[int]float64{5: 1}, ByZero}.options(t, "vit_sd32.pt", filepath.Join(t.TempDir(), "edited.pt"))
	o.Images.Data, o.Images.Stride, o.Images.BatchSize = dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, 1, 3
	if r := run(t, o); r.Moved.Images != vitImages || r.Moved.DistanceMax > 1e-6 || r.Columns != 0 {
		t.Errorf("%d columns changed, moved %+v", r.Columns, r.Moved)
	}
}
