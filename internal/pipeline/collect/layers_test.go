package collect

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/testutil"
)

// vitImages are the options that collect copies of the golden images, more than one chunk of
// them, by the golden vision transformer.
func vitImages(t *testing.T, copies int) Options {
	t.Helper()
	root := t.TempDir()
	files, err := filepath.Glob(filepath.Join(testutil.GoldenViT("images"), "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for c := range copies {
		dir := filepath.Join(root, string(rune('a'+c)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return Options{
		Model: testutil.GoldenViT("vit_sd32.pt"), Details: model.Details{Heads: 4, Activation: "gelu"},
		Data: dataset.Options{Kind: dataset.Images, Path: root}, Stride: 1, BatchSize: 3, Threads: 2, Mode: ModePairs, TopK: 5,
		Store: new(cache.Store), SavePath: filepath.Join(t.TempDir(), "out"),
	}
}

// sameFolders fails unless two folders have the same files with the same bytes.
func sameFolders(t *testing.T, got, want string) {
	t.Helper()
	read := func(root string) map[string][]byte {
		all := map[string][]byte{}
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err == nil {
				all[name], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	a, b := read(got), read(want)
	for name := range a {
		if _, ok := b[name]; !ok {
			t.Errorf("%s has %s, and %s not", got, name, want)
		}
	}
	for name, data := range b {
		if !bytes.Equal(a[name], data) {
			t.Errorf("%s: other bytes than in %s", filepath.Join(got, name), want)
		}
	}
}

// TestLayersAreCollections holds that each of several layers, collected in one pass, has the
// folder that a run of it alone has, in every form, also after an interrupt, and where a part
// of it was collected alone.
func TestLayersAreCollections(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"scores":     func(*Options) {},
		"neurons":    func(o *Options) { o.Mode = ModeNeurons },
		"half":       func(o *Options) { o.DType = npy.Float16 },
		"directions": func(o *Options) { o.Expand = true },
		"statistics": func(o *Options) { o.StatsOnly = true },
		"published":  func(o *Options) { o.Mode, o.Published = ModeNeurons, true },
	} {
		t.Run(name, func(t *testing.T) {
			together := vitImages(t, 9)
			change(&together)
			alone := together
			alone.SavePath = filepath.Join(t.TempDir(), "alone")
			layers := []int{1, 2, 3}
			for _, layer := range layers {
				o := alone
				o.NeuronLayer, o.SavePath = &layer, artefact.LayerPath(alone.SavePath, layer)
				run(t, o)
			}
			begun := together // layer 2 alone, up to its second chunk
			begun.NeuronLayer, begun.SavePath = &layers[1], artefact.LayerPath(together.SavePath, 2)
			interruptedRun(t, func(ctx context.Context, say *pipelinetest.Interrupting) error {
				_, err := Run(ctx, begun, say)
				return err
			}, 40)
			interruptedRun(t, func(ctx context.Context, say *pipelinetest.Interrupting) error {
				_, err := RunLayers(ctx, together, layers, say)
				return err
			}, 5)
			r, err := RunLayers(context.Background(), together, layers, pipelinetest.Silent())
			if err != nil {
				t.Fatal(err)
			}
			for i, layer := range layers {
				if got := r.Layers[i]; got.Path != artefact.LayerPath(together.SavePath, layer) || got.Images != 72 || got.Complete {
					t.Errorf("layer %d: %+v", layer, got)
				}
				sameFolders(t, artefact.LayerPath(together.SavePath, layer), artefact.LayerPath(alone.SavePath, layer))
			}
			r, err = RunLayers(context.Background(), together, layers, pipelinetest.Silent())
			if err != nil || !r.Layers[0].Complete || !r.Layers[2].Complete || r.Layers[1].Images != 72 {
				t.Errorf("again: %+v, %v", r, err)
			}
			if name != "scores" {
				return
			}
			if err := os.RemoveAll(artefact.LayerPath(together.SavePath, 3)); err != nil {
				t.Fatal(err)
			}
			r, err = RunLayers(context.Background(), together, layers, pipelinetest.Silent())
			if err != nil || !r.Layers[0].Complete || r.Layers[2].Complete {
				t.Errorf("one removed: %+v, %v", r, err)
			}
			sameFolders(t, artefact.LayerPath(together.SavePath, 3), artefact.LayerPath(alone.SavePath, 3))
		})
	}
}

func interruptedRun(t *testing.T, run func(context.Context, *pipelinetest.Interrupting) error, after int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	say := &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: int64(after), Cancel: cancel}
	if err := run(ctx, say); !errors.Is(err, context.Canceled) {
		t.Fatalf("not interrupted: %v", err)
	}
}

// TestShardsOfLayers holds that shards of several layers are those of single layers.
func TestShardsOfLayers(t *testing.T) {
	o := vitImages(t, 9)
	o.Shard = shard.Shard{Number: 2, Of: 3}
	alone, layers := o, []int{2, 3}
	alone.SavePath = filepath.Join(t.TempDir(), "alone")
	if _, err := RunLayers(context.Background(), o, layers, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		one := alone
		one.NeuronLayer, one.SavePath = &layer, artefact.LayerPath(alone.SavePath, layer)
		run(t, one)
		sameFolders(t, o.Shard.Path(artefact.LayerPath(o.SavePath, layer)), o.Shard.Path(artefact.LayerPath(alone.SavePath, layer)))
	}
}

func TestLayersRefuse(t *testing.T) {
	for want, change := range map[string]func(*Options, *[]int){
		"{neuron-layer} 2,1: several layers, want them ascending": func(_ *Options, l *[]int) { *l = []int{2, 1} },
		"{neuron-layer} 1,1: several layers, want them ascending": func(_ *Options, l *[]int) { *l = []int{1, 1} },
		"not for heads: collect one at a time":                    func(o *Options, _ *[]int) { o.Mode = ModeHeads },
		"and {no-features}: collect one at a time":                func(o *Options, _ *[]int) { o.StatsOnly, o.NoFeatures = true, true },
		"and {mean}: collect one at a time":                       func(o *Options, _ *[]int) { o.Mean = true },
		"want a path without .dat or .npy":                        func(o *Options, _ *[]int) { o.SavePath += ".npy" },
		"which scores one: collect one at a time":                 func(o *Options, _ *[]int) { o.Device = "ort-cpu" },
		"{neuron-layer} 4: want a layer before the last of 5":     func(_ *Options, l *[]int) { *l = []int{1, 4} },
		"the image tower is a CLIP-ResNet": func(o *Options, _ *[]int) {
			o.Model, o.Details = testutil.Golden("model/tiny_sd_fp32.pt"), model.Details{}
		},
		"it is a collection itself": func(o *Options, _ *[]int) {
			one, layer := *o, 1
			one.NeuronLayer = &layer
			run(t, one)
		},
	} {
		o, layers := vitImages(t, 1), []int{1, 2}
		change(&o, &layers)
		if _, err := RunLayers(context.Background(), o, layers, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
