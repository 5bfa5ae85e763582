package segment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

var demoAssets = filepath.Join("..", "..", "demo", "assets")

// demoDirections collects the demo's test images and finds the pairs' directions.
func demoDirections(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	scores, pcs := filepath.Join(dir, "scores"), filepath.Join(dir, "pc0.npy")
	collecttest.Collect(t, collect.Options{
		Model: filepath.Join(demoAssets, demo.Model), Data: dataset.Options{Kind: dataset.ImageNetTest, Path: filepath.Join(demoAssets, demo.ImageNet)},
		Stride: 1, BatchSize: 8, Threads: 2, Mode: collect.ModePairs, SavePath: scores,
	})
	if _, err := directions.SVD(context.Background(), directions.SVDOptions{CollectPath: scores, TopK: 50, OutPath: pcs, Threads: 2}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	return pcs
}

// demoSegmentation are the options of the demo's scenes, with the settings that its
// expected values were measured with.
func demoSegmentation(t *testing.T, pcs string) Options {
	t.Helper()
	setup, err := configs.ReadSegmentation("demo")
	if err != nil {
		t.Fatal(err)
	}
	templates := pipelinetest.Templates(t, filepath.Join(demoAssets, demo.Templates))
	return Options{
		Model: filepath.Join(demoAssets, demo.Model), Threads: 2,
		Texts:  Texts{Vocab: filepath.Join(demoAssets, demo.Vocabulary), Templates: templates},
		Scenes: Scenes{DataPath: filepath.Join(demoAssets, demo.PascalContext), Pillow: true},
		Heat: Heat{
			Setup: setup, PCsPath: pcs, SimBlock: -1, MainWords: true,
			Methods: []heat.Method{heat.ByPairs, heat.ByHeads, heat.ByNeurons, heat.ByValues, heat.BySelfSelf},
		},
	}
}

// TestSegmentDemo compares mIoU and pixel accuracy on the demo's scenes with what
// PyTorch measured. What differs is the weights, fp16 there throughout, and the signs
// of 19 of 4096 directions, which the sign rule leaves open.
func TestSegmentDemo(t *testing.T) {
	const tolerance = 1e-3
	expected, err := demo.Expected()
	if err != nil {
		t.Fatal(err)
	}
	o := demoSegmentation(t, demoDirections(t))
	want := expected.Segmentation
	if o.Setup.Pairs != want.Chosen.K || o.Setup.ShorterSide != want.Chosen.Short || o.Setup.Block != want.Chosen.Block {
		t.Fatalf("demo.yaml has k %d, side %d, block %d, want %+v", o.Setup.Pairs, o.Setup.ShorterSide, o.Setup.Block, want.Chosen)
	}
	names := []string{
		fmt.Sprintf("product k=%d", want.Chosen.K), fmt.Sprintf("head_only k=%d", want.Chosen.K), fmt.Sprintf("neuron_only k=%d", want.Chosen.K),
		"values_only", "self_self",
	}
	for _, main := range []bool{true, false} {
		o.MainWords = main
		measured := want.Measured
		if !main {
			measured = want.Synonyms
		}
		r, err := Run(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if r.Images != 40 || len(r.Skipped) != 0 || r.K != want.Chosen.K || len(r.Classes) != 18 {
			t.Errorf("%+v", r)
		}
		for i, m := range r.Methods {
			w, ok := measured[names[i]]
			if !ok {
				t.Fatalf("nothing is expected of %s", names[i])
			}
			if math.Abs(*m.MIoU-w.MIoU) > tolerance || math.Abs(*m.PixelAccuracy-w.PixelAccuracy) > tolerance {
				t.Errorf("%s, first words %v: mIoU %.4f, pixels %.4f, want %.4f and %.4f", m.Method, main, *m.MIoU, *m.PixelAccuracy, w.MIoU, w.PixelAccuracy)
			}
		}
	}
}

// goldenSegmentation are the options of the golden image of a sliding window,
// with the golden directions.
func goldenSegmentation() Options {
	classes := []configs.Class{{"dog"}, {"cat"}, {"grass"}, {"sky", "cloud"}, {"road"}, {"water"}, {"house"}}
	return Options{
		Model: pipelinetest.TinyModel(), Threads: 2,
		Texts:  Texts{TextsPath: testutil.Golden("text/seg_embeddings.npy")},
		Scenes: Scenes{Paths: []string{testutil.Golden("seg/slide.png")}},
		Heat: Heat{
			Setup:   &configs.Segmentation{Classes: classes, LogitScale: 40, Pairs: 50, Block: -1, Sink: true},
			PCsPath: testutil.Golden("pc0_nh.npy"), SimBlock: -1, Methods: []heat.Method{heat.ByPairs},
		},
	}
}

// TestSegmentImage gives the same shares by any number of threads, and windows of
// all sizes.
func TestSegmentImage(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(o *Options)
		windows       int
		width, height int // of the first size
		interpolated  bool
	}{
		{"the model's size", func(o *Options) {}, 2, 64, 64, false},
		{"smaller images", func(o *Options) { o.Setup.ShorterSide = 40 }, 1, 64, 64, false},
		{"larger windows", func(o *Options) { o.Setup.ShorterSide, o.Setup.SlideCrop = 100, 128 }, 2, 128, 128, true},
		{"windows that are no multiple", func(o *Options) { o.Setup.ShorterSide, o.Setup.SlideCrop, o.Setup.SlideStride = 70, 70, 35 }, 2, 96, 96, true},
		{"a bound on the longer side", func(o *Options) { o.Setup.ShorterSide, o.Setup.LongerSide = 400, 140 }, 12, 64, 64, false},
	} {
		o := goldenSegmentation()
		c.change(&o)
		var first *Result
		for _, threads := range []int{1, 3} {
			o.Threads = threads
			r, err := Run(context.Background(), o, pipelinetest.Silent())
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if size := (WindowSize{c.width, c.height, c.interpolated}); r.Windows != c.windows || r.Sizes[0] != size {
				t.Errorf("%s: %d windows of %+v, want %d of %+v", c.name, r.Windows, r.Sizes, c.windows, size)
			}
			if first == nil {
				first = r
			} else if fmt.Sprint(r.Shares) != fmt.Sprint(first.Shares) {
				t.Errorf("%s: shares depend on threads: %v, %v", c.name, r.Shares, first.Shares)
			}
		}
	}
}

// TestSegmentMistakes wants errors that say what is wrong.
func TestSegmentMistakes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(o *Options)
	}{
		{"block", "{conv-map-idx} 2: the last stage has 2 blocks, want -2 to 1", func(o *Options) { o.Setup.Block = 2 }},
		{"pool's block", "{sim-map-idx} -3", func(o *Options) { o.SimBlock = -3 }},
		{"directions of words", "want 256x32", func(o *Options) { o.PCsPath = testutil.Golden("text/words.npy") }},
		{"embeddings of other words", "want 7, one for each word", func(o *Options) { o.MainWords = true }},
		{"gaps", "windows of 64 pixels every 65 leave gaps", func(o *Options) { o.Setup.SlideStride = 65 }},
		{"no image", "manifest.json: unknown format", func(o *Options) { o.Paths[0] = testutil.Golden("manifest.json") }},
	} {
		o := goldenSegmentation()
		c.change(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// scenes lays out a data set of two golden images and label maps below a folder.
func scenes(t *testing.T) (dir string, setup *configs.Segmentation) {
	t.Helper()
	dir = t.TempDir()
	for to, from := range map[string]string{
		"images/a.png": "seg/slide.png", "labels/a.png": "seg/truth.png",
		"images/b.png": "seg/truth.png", "labels/b.png": "seg/truth.png",
	} {
		copyTo(t, testutil.Golden(from), filepath.Join(dir, to))
	}
	o := goldenSegmentation()
	setup = o.Setup
	setup.Layout = configs.Layout{
		Images: "images", ImageSuffix: ".png", IgnoreIndex: 255, Labels: []configs.LabelSource{{Folder: "labels", Suffix: ".png"}},
	}
	return dir, setup
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSegmentSkips goes on after an image whose label map has another size, but
// not with Strict; and reports the rest when it is interrupted.
func TestSegmentSkips(t *testing.T) {
	o := goldenSegmentation()
	o.Paths = nil
	o.DataPath, o.Setup = scenes(t)
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if r.Images != 1 || r.Scenes != 2 || len(r.Skipped) != 1 || r.Skipped[0].Name != "a.png" || !strings.Contains(r.Skipped[0].Reason, "its label map has 105x75") {
		t.Errorf("%+v", r)
	}
	o.Strict = true
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "a.png: 140x100 pixels") {
		t.Errorf("strict: error %v", err)
	}
	o.Strict = false
	copyTo(t, testutil.Golden("seg/truth.png"), filepath.Join(o.DataPath, "images", "a.png"))
	ctx, cancel := context.WithCancel(context.Background())
	r, err = Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 1, Cancel: cancel})
	if !errors.Is(err, context.Canceled) || r == nil || r.Images != 1 || r.Methods[0].MIoU == nil {
		t.Errorf("interrupted: %+v, %v", r, err)
	}
}

// TestSegmentUnlisted: what the listing left out is skipped in every result, and not
// saved, as what is saved counts scenes.
func TestSegmentUnlisted(t *testing.T) {
	o := goldenSegmentation()
	o.Paths = nil
	o.DataPath, o.Setup = scenes(t)
	if err := os.WriteFile(filepath.Join(o.DataPath, "images", "c\n.png"), nil, 0o600); err != nil {
		t.Skip(err)
	}
	o.SavePath = filepath.Join(t.TempDir(), "counts.json")
	for _, again := range []bool{false, true} {
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if r.Images != 1 || r.Scenes != 3 || len(r.Skipped) != 2 || r.Skipped[1].Name != `"c\n.png"` || r.Complete != again {
			t.Errorf("again %v: %+v, want two scenes skipped of three", again, r)
		}
	}
	saved, err := os.ReadFile(o.SavePath)
	if err != nil || !strings.Contains(string(saved), "a.png") || strings.Contains(string(saved), `c\\n.png`) {
		t.Errorf("saved %s, %v, want only the scene that was skipped", saved, err)
	}
}
