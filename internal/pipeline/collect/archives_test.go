package collect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/merge"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/testutil"
)

// inArchives packs golden images, one of which cannot be read, into an archive of each of the sizes,
// with an ending.
func inArchives(t *testing.T, ending string, sizes ...int) dataset.Options {
	t.Helper()
	golden, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(golden) != 48 {
		t.Fatal(golden, err)
	}
	dir, n := t.TempDir(), 0
	for i, size := range sizes {
		folder := t.TempDir()
		for j := range size {
			data, err := os.ReadFile(golden[n%len(golden)])
			if err != nil {
				t.Fatal(err)
			}
			if n == 37 {
				data = data[:len(data)/2]
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.png", j)), data, 0o666); err != nil {
				t.Fatal(err)
			}
			n++
		}
		testutil.Pack(t, folder, filepath.Join(dir, fmt.Sprintf("%d.%s", i, ending)), "")
	}
	return dataset.Options{Kind: dataset.Images, Path: filepath.Join(dir, fmt.Sprintf("{0..%d}.%s", len(sizes)-1, ending))}
}

// runUncut is Run as older builds did it, without a cut at any archive.
func runUncut(ctx context.Context, o Options) error {
	o.SavePath = o.Shard.Path(o.SavePath)
	c, err := openCollector(ctx, o, pipelinetest.Silent())
	if err != nil {
		return err
	}
	defer c.close()
	c.listed.Ends = nil
	if o.NoFeatures {
		_, err = c.summary(ctx)
	} else {
		_, err = c.chunks(ctx)
	}
	return err
}

// interrupted is a context that ends when so many images have been seen, and who is told of them.
func interrupted(t *testing.T, after int) (context.Context, *pipelinetest.Interrupting) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: int64(after), Cancel: cancel}
}

func merged(t *testing.T, path string) {
	t.Helper()
	if _, err := merge.Run(t.Context(), merge.Options{SavePath: path, Threads: 2}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
}

// archiveModes are ways to collect that cut images otherwise.
func archiveModes(t *testing.T) map[string]Options {
	scores, summary, dense := goldenImages(t, "scores"), goldenStatistics(t), goldenImages(t, "dense.dat")
	summary.NoFeatures = true
	dense.Mode = ModeHeads
	layer := 2
	return map[string]Options{
		"scores": scores, "statistics": goldenStatistics(t), "summary": summary, "dense": dense,
		"features": { // in a folder within
			Model: testutil.GoldenViT("vit_sd32.pt"), Details: model.Details{Heads: 4, Activation: "gelu"}, Stride: 1,
			BatchSize: 3, Threads: 2, Mode: ModePairs, NeuronLayer: &layer, SavePath: filepath.Join(t.TempDir(), "out"),
		},
	}
}

// TestShardsOfArchives: shards of whole archives, and more shards than archives, some of them
// killed and resumed, are merged to the bytes of one run, whose chunks end with archives too.
func TestShardsOfArchives(t *testing.T) {
	sizes := []int{20, 3, 2, 17, 33} // the third ends too soon behind the second, and that behind the first
	for name, o := range archiveModes(t) {
		ending := "tar"
		if name == "scores" {
			ending = "parquet"
		}
		o.Data = inArchives(t, ending, sizes...)
		run(t, o)
		whole, ends := o.SavePath, []int{20, 42, 75}
		if name != "summary" {
			a, err := cache.Open(whole)
			if err != nil || !slices.Equal(a.Manifest.Cuts, ends[:2]) {
				t.Errorf("%s: cuts %v: %v, want %v", name, a.Manifest.Cuts, err, ends[:2])
			}
		} else {
			ends = []int{25, 42, 75} // none of its archives is joined to another
		}
		for _, of := range []int{2, 3, 4} {
			o.SavePath = filepath.Join(t.TempDir(), filepath.Base(whole))
			for _, i := range rand.Perm(of) {
				o.Shard = shard.Shard{Number: i + 1, Of: of}
				ctx, say := interrupted(t, 1+rand.IntN(20))
				if _, err := Run(ctx, o, say); err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				run(t, o)
				a, err := cache.Open(o.Shard.Path(o.SavePath))
				if err != nil {
					t.Fatal(err)
				}
				if _, hi, err := shard.RangeOf(a.Manifest); err != nil || of == 3 && hi != ends[i] {
					t.Errorf("%s: shard %d of 3 ends at %d: %v, want %d", name, i+1, hi, err, ends[i])
				}
			}
			merged(t, o.SavePath)
			if o.Shard = (shard.Shard{}); !strings.HasSuffix(whole, ".dat") {
				for i := range of {
					if err := os.RemoveAll((shard.Shard{Number: i + 1, Of: of}).Path(o.SavePath)); err != nil {
						t.Fatal(err)
					}
				}
				sameFolders(t, o.SavePath, whole)
			} else {
				for _, end := range []string{"", ".json"} {
					got, err := os.ReadFile(o.SavePath + end)
					want, err2 := os.ReadFile(whole + end)
					if err := errors.Join(err, err2); err != nil || string(got) != string(want) {
						t.Errorf("%s%s: other bytes: %v", name, end, err)
					}
				}
			}
			if again := run(t, o); !again.Complete {
				t.Errorf("%s: %d shards merged: %+v, want it complete to a run without", name, of, again)
			}
		}
	}
}

// TestBegunUncut: what an older build has begun or finished without cuts at archives goes on so,
// its shards are merged to what it would have made, and such shards and those of this build are
// not mixed.
func TestBegunUncut(t *testing.T) {
	data := inArchives(t, "tar", 20, 25, 30)
	for name, o := range archiveModes(t) {
		if strings.HasSuffix(o.SavePath, ".dat") {
			continue
		}
		o.Data = data
		if err := runUncut(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		want := o.SavePath
		if again := run(t, o); !again.Complete {
			t.Errorf("%s: %+v, want it complete", name, again)
		}
		o.SavePath = filepath.Join(t.TempDir(), "begun")
		at := func(c *Options) {
			c.SavePath = o.Shard.Path(o.SavePath)
		}
		begin := func() { // one chunk
			ctx, say := interrupted(t, 5)
			of := o
			at(&of)
			c, err := openCollector(ctx, of, say)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			c.listed.Ends = nil
			collect := c.chunks
			if o.NoFeatures {
				collect = c.summary
			}
			if _, err := collect(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: %v, want it interrupted", name, err)
			}
		}
		begin()
		run(t, o)
		sameFolders(t, o.SavePath, want)

		// Shards: the first finished, the second begun by an older build.
		o.SavePath = filepath.Join(t.TempDir(), "shards")
		o.Shard = shard.Shard{Number: 1, Of: 2}
		if err := runUncut(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if again := run(t, o); !again.Complete {
			t.Errorf("%s: shard: %+v, want it complete", name, again)
		}
		o.Shard.Number = 2
		begin()
		run(t, o)
		merged(t, o.SavePath)
		sameFolders(t, o.SavePath, want)
		o.Restart = true
		run(t, o)
		_, err := merge.Run(t.Context(), merge.Options{SavePath: o.SavePath + "2", Shards: []string{(shard.Shard{Number: 1, Of: 2}).Path(o.SavePath), o.Shard.Path(o.SavePath)}, Threads: 1}, pipelinetest.Silent())
		var advice interface{ Hint() string }
		if !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "it was cut at chunks of images, as older builds do") || !errors.As(err, &advice) || !strings.Contains(advice.Hint(), "{restart}") {
			t.Errorf("%s: a mixture: %v", name, err)
		}
	}
}

// TestLayersUncut: of several layers of neurons, one that an older build began without cuts at
// archives goes on so, beside others that have them.
func TestLayersUncut(t *testing.T) {
	o := vitImages(t, 1)
	o.Data = inArchives(t, "tar", 20, 25)
	layers := []int{1, 2}
	both := o
	if _, err := RunLayers(t.Context(), both, layers, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	old := o
	old.SavePath, old.NeuronLayer = filepath.Join(t.TempDir(), "old"), &layers[1]
	if err := runUncut(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	o.SavePath = filepath.Join(t.TempDir(), "begun")
	ctx, say := interrupted(t, 5)
	of := o
	of.SavePath, of.NeuronLayer = artefact.LayerPath(o.SavePath, layers[1]), &layers[1]
	c, err := openCollector(ctx, of, say)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.listed.Ends = nil
	if err := os.MkdirAll(o.SavePath, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := c.chunks(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := RunLayers(t.Context(), o, layers, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	sameFolders(t, artefact.LayerPath(o.SavePath, layers[0]), artefact.LayerPath(both.SavePath, layers[0]))
	sameFolders(t, artefact.LayerPath(o.SavePath, layers[1]), old.SavePath)
}

// TestRepairArchives computes damaged chunks of archives again.
func TestRepairArchives(t *testing.T) {
	o := goldenImages(t, "scores")
	o.Data = inArchives(t, "tar", 20, 25, 30)
	o.Shard = shard.Shard{Number: 2, Of: 2}
	run(t, o)
	path := o.Shard.Path(o.SavePath)
	file := filepath.Join(path, "scores.npy")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := slices.Clone(want)
	spoiled[len(spoiled)-5] ^= 1
	spoiled[len(spoiled)/3] ^= 1
	if err := os.WriteFile(file, spoiled, 0o666); err != nil {
		t.Fatal(err)
	}
	a, err := cache.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Repair(t.Context(), a, RepairOptions{Model: o.Model, DataPath: o.Data.Path, BatchSize: 8, Threads: 2}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !slices.Equal(got, want) {
		t.Errorf("repaired to other bytes: %v", err)
	}
}
