package merge

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/usage"
)

// collectLayers collects two layers to a path.
func collectLayers(t *testing.T, o collect.Options) {
	t.Helper()
	if _, err := collect.RunLayers(t.Context(), o, []int{2, 3}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
}

// TestMergeLayers: the shards of several layers have, merged at once, the bytes of collections
// made as a whole, also by way of parts, and where some were merged before.
func TestMergeLayers(t *testing.T) {
	images := manyImages(t)
	for name, change := range map[string]func(*collect.Options){
		"scores":     func(*collect.Options) {},
		"statistics": func(o *collect.Options) { o.StatsOnly, o.TopK = true, 40 },
	} {
		t.Run(name, func(t *testing.T) {
			o := collecttest.GoldenViT(t, collect.ModePairs, "whole")
			o.Data = dataset.Options{Kind: dataset.Images, Path: images}
			change(&o)
			collectLayers(t, o)
			want := artefactFiles(t, o.SavePath)
			o.SavePath = filepath.Join(t.TempDir(), "both")
			for n := 4; n > 0; n-- {
				o.Shard = shard.Shard{Number: n, Of: 4}
				if n == 1 { // one is missing of one layer
					of := o
					of.NeuronLayer, of.SavePath = new(2), artefact.LayerPath(o.SavePath, 2)
					collecttest.Collect(t, of)
					break
				}
				collectLayers(t, o)
			}
			merge := func(change func(*Options)) (*Layers, error) {
				t.Helper()
				m := Options{SavePath: o.SavePath, Threads: 2}
				change(&m)
				layers := m.LayersWithin()
				if !slices.Equal(layers, []int{2, 3}) {
					t.Fatalf("layers %v", layers)
				}
				return RunLayers(t.Context(), m, layers, pipelinetest.Silent())
			}
			as := func(*Options) {}
			missing := artefact.LayerPath(o.SavePath, 3) + ": missing: of 4 shards, number 1"
			if _, err := merge(as); !errors.Is(err, cache.ErrMissing) || !strings.HasPrefix(err.Error(), missing) {
				t.Errorf("%v, want %s", err, missing)
			}
			if _, err := os.Stat(artefact.LayerPath(o.SavePath, 2)); err == nil {
				t.Error("a layer was merged where another has not all its shards")
			}
			collectLayers(t, o)
			r, err := merge(func(o *Options) { o.Part = part(3, 4, 4) })
			if err != nil || len(r.Layers) != 2 || r.Layers[1].Path != part(3, 4, 4).Path(artefact.LayerPath(o.SavePath, 3)) || r.Layers[1].Complete {
				t.Fatalf("parts: %+v, %v", r, err)
			}
			r, err = merge(as)
			if err != nil || len(r.Layers) != 2 || r.Layers[0].Shards != 4 || r.Layers[0].Complete || r.Layers[1].Complete {
				t.Fatalf("%+v, %v", r, err)
			}
			merged := func() map[string]string {
				got := map[string]string{}
				for name, content := range artefactFiles(t, o.SavePath) {
					if !strings.Contains(name, "-of-") {
						got[name] = content
					}
				}
				return got
			}
			sameFiles(t, merged(), want)
			for i := range 4 { // the shards of one layer go, and what was merged of the other
				if err := os.RemoveAll(shard.Shard{Number: i + 1, Of: 4}.Path(artefact.LayerPath(o.SavePath, 2))); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.RemoveAll(part(3, 4, 4).Path(artefact.LayerPath(o.SavePath, 2))), os.RemoveAll(artefact.LayerPath(o.SavePath, 3))); err != nil {
				t.Fatal(err)
			}
			r, err = merge(func(o *Options) { o.Verify = true })
			if err != nil || !r.Layers[0].Complete || r.Layers[0].Images != r.Layers[1].Images || r.Layers[1].Complete {
				t.Errorf("again: %+v, %v", r, err)
			}
			sameFiles(t, merged(), want)
			if r, err = merge(as); err != nil || !r.Layers[0].Complete || !r.Layers[1].Complete {
				t.Errorf("complete: %+v, %v", r, err)
			}
			if _, err = merge(func(o *Options) { o.Restart = true }); !errors.Is(err, cache.ErrMissing) {
				t.Errorf("restarted without the shards of a layer: %v, want them", err)
			}
		})
	}
}

// TestLayersOfShards: shards that are given are sorted by the layers in their names.
func TestLayersOfShards(t *testing.T) {
	o := collecttest.GoldenViT(t, collect.ModePairs, "whole")
	collectLayers(t, o)
	want := artefactFiles(t, o.SavePath)
	from := filepath.Join(t.TempDir(), "from")
	o.SavePath, o.Shard = from, shard.Shard{Number: 1, Of: 1}
	collectLayers(t, o)
	shards, err := filepath.Glob(filepath.Join(from, "*-of-1"))
	if err != nil || len(shards) != 2 {
		t.Fatal(shards, err)
	}
	save := filepath.Join(t.TempDir(), "both")
	m := Options{SavePath: save, Shards: shards, Threads: 1}
	if _, err := RunLayers(t.Context(), m, m.LayersWithin(), pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, artefactFiles(t, save), want)

	for name, test := range map[string]struct {
		o    Options
		want []int
	}{
		"those that are asked for": {Options{SavePath: save, Layers: []int{9, 2}}, []int{2, 9}},
		"one, at the path itself":  {Options{SavePath: save, Layers: []int{9}}, nil},
		"a collection":             {Options{SavePath: artefact.LayerPath(save, 2)}, nil},
		"shards of one":            {Options{SavePath: save, Shards: shards[:1]}, nil},
		"other names":              {Options{SavePath: save, Shards: append([]string{"scores.1-of-2"}, shards...)}, nil},
		"a file":                   {Options{SavePath: "both.npy"}, nil},
		"nothing":                  {Options{SavePath: save + "3"}, nil},
	} {
		if got := test.o.LayersWithin(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	for want, o := range map[string]Options{
		"no shard of layer 9 is given":                   {SavePath: save, Layers: []int{2, 9}, Shards: shards},
		"layer3.1-of-1: its name is not that of a shard": {SavePath: save, Layers: []int{2, 9}, Shards: []string{shards[0], filepath.Join(from, "layer9.1-of-1"), shards[1]}},
		"both.npy: want the folder":                      {SavePath: "both.npy", Layers: []int{2, 9}},
	} {
		if _, err := RunLayers(t.Context(), o, o.LayersWithin(), pipelinetest.Silent()); !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := RunLayers(t.Context(), Options{SavePath: save}, []int{2, 3}, pipelinetest.Silent()); !errors.Is(err, cache.ErrMissing) {
		t.Errorf("no shards: %v, want ErrMissing", err)
	}
	if _, err := RunLayers(t.Context(), Options{SavePath: save}, []int{2, 4}, pipelinetest.Silent()); !errors.Is(err, cache.ErrMissing) || !strings.Contains(err.Error(), "layer4") {
		t.Errorf("a layer that is not there: %v, want ErrMissing", err)
	}
}
