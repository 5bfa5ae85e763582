package edit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/model"
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
		"{by} mean: what heads give":              func(o *Options) { o.By, o.MeansPath = ByMean, "means.npy" },
		"{neuron-layer} is for pairs and neurons": func(o *Options) { o.Images.NeuronLayer = &layer },
		"heads of layers 1 and 2":                 func(o *Options) { o.Remove = append(o.Remove, "l2h0") },
		`unit "l5h0": want a head, l0h0 to l4h3`:  func(o *Options) { o.Remove = []string{"l5h0"} },
		`unit "l2n7": want a head`:                func(o *Options) { o.Remove = append(o.Remove, "l2n7") },
		"head l1h0 has two factors":               func(o *Options) { o.Scale = []Scaled{{"l1h0", 0.5}} },
		"{remove-mask} or {remove-text} chooses":  func(o *Options) { o.MaskPath = "mask.npy" },
		"want a vision transformer (ViT): heads are": func(o *Options) {
			o.Model, o.Images.Details = testutil.Golden("model/tiny_sd_fp32.pt"), model.Details{}
		},
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
