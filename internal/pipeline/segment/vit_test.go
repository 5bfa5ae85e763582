package segment

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// vitSegmentation are options that segment golden images by the golden vision transformer
// and three of the golden texts.
func vitSegmentation(t testing.TB, methods ...heat.Method) Options {
	t.Helper()
	write := func(name string, shape []int, values []float32) string {
		var b bytes.Buffer
		if err := npy.WriteFloat32(&b, shape, values); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	texts, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("texts.npy"))
	directions, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/second_directions.npy"))
	pcs := filepath.Join(t.TempDir(), "pcs.npy") // of other lengths than 1, which only an artefact may have
	if err := (artefact.Writer{Store: new(cache.Store)}).SaveFloat32(artefact.KindComponents, pcs, []string{"H", "C", "O"}, []int{8, 128, 24}, directions, origin.Origin{}); err != nil {
		t.Fatal(err)
	}
	setup := &configs.Segmentation{Classes: []configs.Class{{"a"}, {"b"}, {"c"}}, Pairs: 40, Block: -1, LogitScale: 40, Sink: true}
	layer := 2
	return Options{
		Model: testutil.GoldenViT("vit_sd32.pt"), Details: model.Details{Heads: 4, Activation: "gelu"}, NeuronLayer: &layer, Threads: 2,
		Texts:  Texts{TextsPath: write("texts.npy", []int{3, 24}, texts[:3*24])},
		Scenes: Scenes{Paths: []string{testutil.GoldenViT("images")}},
		Heat:   Heat{Setup: setup, SimBlock: -1, Methods: methods, PCsPath: pcs},
		Output: Output{SaveDir: t.TempDir(), Store: nil},
	}
}

// TestViTSegment labels the golden images by every method of a vision transformer, with the
// same bytes for any number of threads.
func TestViTSegment(t *testing.T) {
	methods := []heat.Method{heat.ByTokens, heat.ByPairs, heat.ByHeads, heat.ByNeurons}
	var want map[string]string
	for _, threads := range []int{1, 3} {
		o := vitSegmentation(t, methods...)
		o.Threads = threads
		r, err := Run(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if r.Images != 8 || len(r.Shares) != 4 || r.K != 40 || len(r.Sizes) != 1 || r.Sizes[0] != (WindowSize{Width: 48, Height: 48}) {
			t.Errorf("%d images, %d methods, k %d, windows %v", r.Images, len(r.Shares), r.K, r.Sizes)
		}
		got := map[string]string{}
		for _, file := range r.Files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(o.SaveDir, file)
			got[rel] = string(data)
		}
		if want == nil {
			want = got
		}
		if len(got) != 8*4 {
			t.Errorf("%d label maps, want 32", len(got))
		}
		for name, content := range want {
			if got[name] != content {
				t.Errorf("%s: other bytes on %d threads", name, threads)
			}
		}
	}
}

// TestFamilies refuses methods of the other kind of tower, windows of another size, and pairs
// of no layer.
func TestFamilies(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"{method} values is for a CLIP-ResNet":                 func(o *Options) { o.Methods = []heat.Method{heat.ByTokens, heat.ByValues} },
		"{method} self-self is for a CLIP-ResNet":              func(o *Options) { o.Methods = []heat.Method{heat.BySelfSelf} },
		"windows of a vision transformer have its own size":    func(o *Options) { o.Setup.SlideCrop, o.Setup.ShorterSide, o.Asked.SlideCrop = 64, 64, true },
		"{sim-map-idx} -2: a vision transformer has no stages": func(o *Options) { o.SimBlock = -2 },
		"want the layer whose neurons to look at":              func(o *Options) { o.NeuronLayer, o.Methods = nil, []heat.Method{heat.ByPairs} },
		"{method} tokens is for a vision transformer": func(o *Options) {
			o.Model, o.Details, o.NeuronLayer = testutil.Golden("model/tiny_sd_fp32.pt"), model.Details{}, nil
			o.TextsPath = testutil.Golden("text/zeroshot.npy")
			o.Setup.Classes = tenClasses()
		},
	} {
		o := vitSegmentation(t, heat.ByTokens)
		change(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestWindowsGiveWay takes the model's own windows where those of a data set's settings cannot
// be had, with the stride that goes with them.
func TestWindowsGiveWay(t *testing.T) {
	for _, test := range []struct {
		crop, stride, side int
		asked              Asked
		wantCrop, wantStep int
	}{
		{384, 256, 224, Asked{}, 0, 0},
		{384, 100, 224, Asked{SlideStride: true}, 0, 100},
		{384, 256, 224, Asked{SlideCrop: true}, 384, 256},
		{224, 112, 224, Asked{}, 224, 112},
		{384, 256, 0, Asked{}, 384, 256},
	} {
		given := &configs.Segmentation{Name: "x", SlideCrop: test.crop, SlideStride: test.stride}
		o := Options{Heat: Heat{Setup: given, Asked: test.asked}}
		o.fitWindows(test.side, pipelinetest.Silent())
		if o.Setup.SlideCrop != test.wantCrop || o.Setup.SlideStride != test.wantStep {
			t.Errorf("%+v: windows of %d every %d", test, o.Setup.SlideCrop, o.Setup.SlideStride)
		}
		if given.SlideCrop != test.crop {
			t.Error("the settings that were given are changed")
		}
	}
}

func tenClasses() (classes []configs.Class) {
	for _, name := range strings.Split("abcdefghij", "") {
		classes = append(classes, configs.Class{name})
	}
	return classes
}
