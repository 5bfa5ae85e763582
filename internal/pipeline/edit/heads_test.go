package edit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/usage"
)

// headOptions edit heads of the golden vision transformer.
func headOptions(t testing.TB, file, save string, remove []string, scale ...Scaled) Options {
	return Options{
		Model: testutil.GoldenViT(file), SavePath: filepath.Join(t.TempDir(), save), Threads: 2, By: ByZero, Remove: remove, Scale: scale,
		Images: source.Options{Details: vitDetails()},
	}
}

// TestHeads edits heads of the golden vision transformer in every form, and compares the
// features of the written checkpoints with those of PyTorch, in which what the heads give is
// multiplied.
func TestHeads(t *testing.T) {
	want, shape := pipelinetest.ReadNPY(t, "testdata/vit_heads.npy")
	each := len(want) / shape[0]
	for _, file := range []string{"vit_sd32.pt", "vit_sd16.pt", "vit_openclip.pt"} {
		for i, edit := range []struct {
			remove []string
			scale  []Scaled
			units  string
			heads  int
		}{
			{[]string{"l1h0"}, nil, "l1h0=0", 1},
			{[]string{"L4H2"}, []Scaled{{"l4h3", 0.5}}, "l4h2=0 l4h3=0.5", 2},
			{[]string{"l2h0", "l2h1", "l2h2", "l2h3"}, nil, "l2h0=0 l2h1=0 l2h2=0 l2h3=0", 4},
		} {
			o := headOptions(t, file, "edited"+[]string{".pt", ".safetensors"}[i%2], edit.remove, edit.scale...)
			r := run(t, o)
			name := fmt.Sprint(file, ", edit ", i)
			far(t, name, lookViT(t, o.SavePath), want[i*each:(i+1)*each], exact)
			if len(r.Changes) != edit.heads || r.Changes[0].Head == "" || r.Columns != 12*edit.heads || r.Heads != 4 || r.Pairs != 0 || r.Bias.Change != 0 {
				t.Errorf("%s: %+v", name, r)
			}
			a, err := artefact.EditedCheckpoint(o.SavePath)
			if err != nil || a.Manifest.Origin.Edit.Units != edit.units || a.Manifest.Origin.Edit.Heads != edit.heads {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
			again := o // the same is complete, another is refused
			again.Remove, again.Scale = []string{"l0h1"}, nil
			if _, err := Run(context.Background(), again, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), o.SavePath) {
				t.Errorf("%s: another edit in its place: %v", name, err)
			}
		}
	}
}

// TestHeadsAddNothing holds that a removed head adds nothing to any image by itself: its first
// order is what the output bias and the last norm share out, which is the same of all removed
// heads of the layer; and that heads before the edited layer add what they did to the residual.
func TestHeadsAddNothing(t *testing.T) {
	o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l3h1", "l3h2"})
	run(t, o)
	before, after := firstOrder(t, o.Model), firstOrder(t, o.SavePath)
	const H, O = 4, vitDims
	same, moved := 0.0, 0.0
	for b := range vitImages {
		head := func(parts []float32, l, h int) []float32 { return parts[((b*5+l)*H+h)*O:][:O] }
		for d := range O {
			same = max(same, float64(abs(head(after, 3, 1)[d]-head(after, 3, 2)[d])))
			moved = max(moved, float64(abs(head(before, 3, 1)[d]-head(before, 3, 2)[d])))
		}
	}
	if same > 1e-6 || moved < 1e-3 {
		t.Errorf("removed heads differ by %g after the edit, %g before it", same, moved)
	}
}

func abs(x float32) float32 { return max(x, -x) }

// firstOrder are the parts of heads [B,L,H,O] of the golden images.
func firstOrder(t *testing.T, path string) []float32 {
	t.Helper()
	ck, err := clip.OpenWith(path, vitDetails())
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: 4, Threads: 2, FirstOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	pixels, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("images.npy"))
	heads := make([]float32, vitImages*5*4*vitDims)
	if err := tower.Run(pixels, clip.Output{Heads: heads, Features: make([]float32, vitImages*vitDims)}); err != nil {
		t.Fatal(err)
	}
	return heads
}

// TestHeadsMove compares images before and after, without a layer of neurons.
func TestHeadsMove(t *testing.T) {
	o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l4h2"}, Scaled{"l4h3", 0.5})
	o.Images.Data, o.Images.Stride, o.Images.BatchSize = dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, 1, 3
	r := run(t, o)
	if m := r.Moved; m == nil || m.Images != vitImages || m.Orders != nil || m.CosineMin > 0.9999 || m.DistanceMax == 0 {
		t.Errorf("moved %+v", r.Moved)
	}
}

func TestHeadsRefused(t *testing.T) {
	layer := 2
	for want, change := range map[string]func(*Options){
		"scores do not say what heads add":        func(o *Options) { o.By, o.ScoresPath = ByMean, "scores" },
		"{neuron-layer} is for pairs and neurons": func(o *Options) { o.Images.NeuronLayer = &layer },
		"heads of layers 1 and 2":                 func(o *Options) { o.Remove = append(o.Remove, "l2h0") },
		`unit "l5h0": want a head, l0h0 to l4h3`:  func(o *Options) { o.Remove = []string{"l5h0"} },
		`unit "l2n7": want a head`:                func(o *Options) { o.Remove = append(o.Remove, "l2n7") },
		"head l1h0 has two factors":               func(o *Options) { o.Scale = []Scaled{{"l1h0", 0.5}} },
		"{remove-mask} or {remove-text} chooses":  func(o *Options) { o.MaskPath = "mask.npy" },
	} {
		o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l1h0"})
		change(&o)
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !errors.Is(err, usage.Err) && !strings.Contains(want, "unit") {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := os.Stat(o.SavePath); err == nil {
			t.Errorf("%s: written", want)
		}
	}
}

// TestPoolHeads takes a head of an attention pool out as all of its pairs.
func TestPoolHeads(t *testing.T) {
	edited := func(remove ...string) *Result {
		return run(t, Options{Model: testutil.Golden("model/tiny_sd_fp32.pt"), SavePath: filepath.Join(t.TempDir(), "edited.pt"), Remove: remove, By: ByZero})
	}
	head := edited("h1")
	var names []string
	for n := range head.Neurons {
		names = append(names, fmt.Sprintf("h1n%d", n))
	}
	if pairs := edited(names...); head.SHA256 != pairs.SHA256 || head.Pairs != head.Neurons || head.Changes[0].Pair != "h1n0" {
		t.Errorf("%d pairs, SHA-256 %s; by the names of the pairs %d, %s", head.Pairs, head.SHA256, pairs.Pairs, pairs.SHA256)
	}
	_, err := Run(context.Background(), Options{Model: testutil.Golden("model/tiny_sd_fp32.pt"), SavePath: filepath.Join(t.TempDir(), "edited.pt"), Remove: []string{"h99"}, By: ByZero}, pipelinetest.Silent())
	if want := `unit "h99": want a pair, h0n0 to `; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// headMeans writes the mean over some golden images of what heads add, as collect does,
// [L,H,O].
func headMeans(t *testing.T, images ...int) string {
	t.Helper()
	heads, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/first_heads.npy"))
	const each = 5 * 4 * vitDims
	means := make([]float32, each)
	for i := range means {
		sum := 0.0
		for _, b := range images {
			sum += float64(heads[b*each+i])
		}
		means[i] = float32(sum / float64(len(images)))
	}
	return saveNPY(t, []int{5, 4, vitDims}, means)
}

var allImages = []int{0, 1, 2, 3, 4, 5, 6, 7}

// TestHeadsAtMeans replaces heads of the last layer, in which the class token alone counts, by
// the means of a single image: the features of that image stay as PyTorch has them, and others do
// not. In an earlier layer other tokens have the class token's mean, and all features move.
func TestHeadsAtMeans(t *testing.T) {
	want, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/feature.npy"))
	for _, file := range []string{"vit_sd32.pt", "vit_sd16.pt", "vit_openclip.pt"} {
		for _, b := range []int{0, 5} {
			o := headOptions(t, file, "edited.pt", []string{"l4h2"}, Scaled{"l4h0", 0.5}, Scaled{"l4h3", -2})
			o.By, o.MeansPath = ByMean, headMeans(t, b)
			r := run(t, o)
			got, other := lookViT(t, o.SavePath), (b+1)%vitImages
			far(t, fmt.Sprint(file, ", image ", b), got[b*vitDims:(b+1)*vitDims], want[b*vitDims:(b+1)*vitDims], exact)
			if moved := distance(got, want, other); moved < 1e-2 {
				t.Errorf("%s: image %d moved by %g only", file, other, moved)
			}
			if r.Bias.Change == 0 || r.Changes[0].MeanOutput == nil || r.Changes[0].Mean() == 0 || r.By != ByMean || r.Columns != 36 {
				t.Errorf("%s: %+v", file, r)
			}
			a, err := artefact.EditedCheckpoint(o.SavePath)
			if err != nil || a.Manifest.Origin.Edit.By != ByMean || len(a.Manifest.Origin.Edit.Units) == 0 {
				t.Errorf("%s: %+v, %v", file, a, err)
			}
		}
	}
	o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l1h0"})
	o.By, o.MeansPath = ByMean, headMeans(t, 0)
	run(t, o)
	if moved := distance(lookViT(t, o.SavePath), want, 0); moved < 1e-3 {
		t.Errorf("an earlier layer: the image of the means moved by %g only", moved)
	}
}

// distance is that of features of image b, over the norm of want.
func distance(got, want []float32, b int) float64 {
	square, norm := 0.0, 0.0
	for o := b * vitDims; o < (b+1)*vitDims; o++ {
		d := float64(got[o]) - float64(want[o])
		square += d * d
		norm += float64(want[o]) * float64(want[o])
	}
	return math.Sqrt(square / norm)
}

// TestHeadOutputs compares what heads give on average, taken out of golden means, with what the
// tower says of the images.
func TestHeadOutputs(t *testing.T) {
	const L, H, T, W = 5, 4, vitTokens, 48
	ck, err := clip.OpenWith(testutil.GoldenViT("vit_sd32.pt"), vitDetails())
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: vitImages, Threads: 2, Reads: true})
	if err != nil {
		t.Fatal(err)
	}
	pixels, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("images.npy"))
	out := clip.Output{Reads: make([]float32, vitImages*L*T*W), Statistics: make([]float32, 2*vitImages)}
	if err := tower.Run(pixels, out); err != nil {
		t.Fatal(err)
	}
	want, scale := make([]float32, L*W), 0.0
	sums := make([]float64, L*W)
	for b := range vitImages {
		inverse := float64(out.Statistics[2*b+1])
		scale += inverse
		for i := range L * T * W {
			sums[i/(T*W)*W+i%W] += inverse * float64(out.Reads[b*L*T*W+i])
		}
	}
	for i, x := range sums {
		want[i] = float32(x / scale)
	}
	tokens, err := ck.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	means, _ := pipelinetest.ReadNPY(t, headMeans(t, allImages...))
	found, ok := tokens.HeadOutputs(means, H)
	got := make([]float32, len(found.Outputs))
	for i, x := range found.Outputs {
		got[i] = float32(x)
	}
	if !ok || found.Misfit > 1e-5 {
		t.Fatalf("%v, misfit %g", ok, found.Misfit)
	}
	far(t, "outputs", got, want, 1e-4)

	// What heads are kept as tells the same, and the weights alone that they do.
	kept := tokens.Factors(H, 1).Tokens(H)
	found, ok = kept.HeadOutputs(means, H)
	for i, x := range found.Outputs {
		got[i] = float32(x)
	}
	if !ok || found.Misfit > 1e-5 {
		t.Fatalf("of factors: %v, misfit %g", ok, found.Misfit)
	}
	far(t, "outputs of factors", got, want, 1e-4)
	found, ok = tokens.HeadOutputs(tokens.NoReads(H), H)
	if !ok || found.Misfit > 1e-5 || max(slices.Max(found.Outputs), -slices.Min(found.Outputs)) > 1e-4 {
		t.Fatalf("without reads: %v, misfit %g, outputs %g", ok, found.Misfit, found.Outputs)
	}

	// A head that was removed before adds no more than its shares of biases, and the others are told.
	const gone, D, O = 4*H + 2, W / H, vitDims
	edited := *tokens
	edited.Out = slices.Clone(tokens.Out)
	clear(edited.Out[(4*W+2*D)*O:][:D*O])
	for o := range O {
		for d := range D {
			z := float64(want[4*W+2*D+d]) * scale / vitImages
			means[gone*O+o] -= float32(z * float64(tokens.Out[(4*W+2*D+d)*O+o]))
		}
	}
	clear(want[4*W+2*D:][:D])
	found, ok = edited.HeadOutputs(means, H)
	for i, x := range found.Outputs {
		got[i] = float32(x)
	}
	if !ok || found.Misfit > 1e-5 {
		t.Fatalf("without a head: %v, misfit %g", ok, found.Misfit)
	}
	far(t, "outputs without a head", got, want, 1e-4)

	// Features with no more dimensions than a head has do not tell.
	short := *tokens
	short.OutDim, short.Out, short.OutBias, short.Mean, short.Shift = 12, short.Out[:L*W*12], short.OutBias[:L*12], short.Mean[:12], short.Shift[:12]
	if _, ok := short.HeadOutputs(means[:L*H*12], H); ok {
		t.Error("outputs out of too few dimensions")
	}
	if _, ok := short.HeadOutputs(short.NoReads(H), H); ok {
		t.Error("too few dimensions tell outputs, by the weights")
	}
}

// TestHeadsAtMeansMove compares what Run says of a movement with the goldens, by the features
// that ablate has.
func TestHeadsAtMeansMove(t *testing.T) {
	features, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/feature.npy"))
	heads, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/first_heads.npy"))
	o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l4h2"}, Scaled{"l4h3", 0.5})
	o.By, o.MeansPath = ByMean, headMeans(t, allImages...)
	o.Images.Data, o.Images.Stride, o.Images.BatchSize = dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, 1, 3
	m := run(t, o).Moved
	means, _ := pipelinetest.ReadNPY(t, o.MeansPath)
	moved, want := lookViT(t, o.SavePath), Size{}
	for b := range vitImages {
		apart, norm := 0.0, 0.0
		for d := range vitDims {
			f := float64(features[b*vitDims+d])
			ablated := f
			for h, share := range map[int]float64{2: 1, 3: 0.5} {
				at := (4*4 + h) * vitDims
				ablated += share * (float64(means[at+d]) - float64(heads[b*5*4*vitDims+at+d]))
			}
			d := float64(moved[b*vitDims+d]) - ablated
			apart += d * d
			norm += f * f
		}
		want.add(math.Sqrt(apart), math.Sqrt(norm))
	}
	if m == nil || m.Heads == nil || m.Orders != nil {
		t.Fatalf("moved %+v", m)
	}
	got := m.Heads.Ablated
	far(t, "from ablated", []float32{float32(got.Mean), float32(got.Max)}, []float32{float32(want.Mean / vitImages), float32(want.Max)}, 1e-4)
	if m.Heads.First.Mean == 0 || m.Heads.Rest.Mean == 0 || m.DistanceMean > m.Heads.First.Mean+m.Heads.Rest.Mean {
		t.Errorf("%+v of %+v", m.Heads, m)
	}
}
