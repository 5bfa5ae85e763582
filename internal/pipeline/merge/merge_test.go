package merge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/testutil"
)

// manyImages makes a folder of the golden images, three times over, of which
// some cannot be read: all of the second chunk, and one more.
func manyImages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	golden, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(golden) != 48 {
		t.Fatal(golden, err)
	}
	for i := range 3 * len(golden) {
		content, err := os.ReadFile(golden[i%len(golden)])
		if err != nil {
			t.Fatal(err)
		}
		if i/collect.ChunkImages == 1 || i == 100 {
			content = content[:len(content)/2]
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.png", i)), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// artefactFiles returns what is at path, a folder or a file with its manifest,
// but for locks.
func artefactFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	add := func(name, path string) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	if artefact.IsDense(path) {
		add("payload", path)
		add("manifest", path+".json")
		return files
	}
	err := filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(at, ".lock") {
			add(strings.TrimPrefix(at, path), at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s differs from that of a collection made as a whole", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

// TestMerge holds that shards, collected in any order and merged, have the bytes
// of a collection made as a whole, in every form there is.
func TestMerge(t *testing.T) {
	images := manyImages(t)
	for name, change := range map[string]func(*collect.Options){
		"scores":     func(o *collect.Options) {},
		"half":       func(o *collect.Options) { o.DType, o.Expand = npy.Float16, true },
		"statistics": func(o *collect.Options) { o.StatsOnly, o.TopK = true, 40 },
		"summary":    func(o *collect.Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 40 },
		"heads":      func(o *collect.Options) { o.Mode = collect.ModeHeads },
		"vit": func(o *collect.Options) { // with image features in a folder within
			vit, layer := collecttest.GoldenViT(t, collect.ModePairs, ""), 2
			vit.Data, vit.SavePath, vit.NeuronLayer = o.Data, o.SavePath, &layer
			*o = vit
		},
		"published": func(o *collect.Options) { // neurons of a vision transformer in the published form
			vit, layer := collecttest.GoldenViT(t, collect.ModeNeurons, ""), 2
			vit.Data, vit.SavePath, vit.NeuronLayer, vit.Published = o.Data, o.SavePath, &layer, true
			*o = vit
		},
		"factors": func(o *collect.Options) {
			vit := collecttest.GoldenViT(t, collect.ModeTokens, "")
			vit.Data, vit.SavePath = o.Data, o.SavePath
			*o = vit
		},
		"dense":              func(o *collect.Options) { o.SavePath += ".dat" },
		"neurons.of.strided": func(o *collect.Options) { o.Mode, o.Stride, o.SavePath = collect.ModeNeurons, 2, o.SavePath+".npy" },
	} {
		t.Run(name, func(t *testing.T) {
			o := collecttest.GoldenImages(t, name)
			o.Data = dataset.Options{Kind: dataset.Images, Path: images}
			change(&o)
			whole := collecttest.Collect(t, o)
			want := artefactFiles(t, o.SavePath)
			cuts := []int{3}
			if name == "scores" || name == "statistics" {
				cuts = []int{1, 2, 5}
			}
			if name == "summary" { // a shard of nine has no image that can be read
				cuts = []int{1, 2, 9}
			}
			for _, of := range cuts {
				o.SavePath = filepath.Join(t.TempDir(), filepath.Base(o.SavePath))
				for _, i := range rand.Perm(of) {
					o.Shard = shard.Shard{Number: i + 1, Of: of}
					collecttest.Collect(t, o)
				}
				merge := Options{SavePath: o.SavePath, Threads: 2}
				got, err := Run(context.Background(), merge, pipelinetest.Silent())
				if err != nil {
					t.Fatal(err)
				}
				if got.Images != whole.Images || len(got.Skipped) != len(whole.Skipped) || got.Shards != of || got.Complete {
					t.Errorf("%d shards: result %+v, want %+v", of, got, whole)
				}
				sameFiles(t, artefactFiles(t, o.SavePath), want)
				if again, err := Run(context.Background(), merge, pipelinetest.Silent()); err != nil || !again.Complete {
					t.Errorf("again: %+v, %v, want it complete", again, err)
				}
			}
		})
	}
}

// interruptAfter is a context that ends when it was asked a number of times.
type interruptAfter struct {
	context.Context
	left *int
}

func (c interruptAfter) Err() error {
	if *c.left--; *c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestMergeInterrupted holds that a merge goes on where it was interrupted.
func TestMergeInterrupted(t *testing.T) {
	o := collecttest.GoldenImages(t, "scores")
	o.Data.Path = manyImages(t)
	collecttest.Collect(t, o)
	want := artefactFiles(t, o.SavePath)
	o.SavePath += "2"
	for i := range 2 {
		o.Shard = shard.Shard{Number: i + 1, Of: 2}
		collecttest.Collect(t, o)
	}
	for n := 0; ; n++ {
		if n == 1 {
			pipelinetest.SpoilPartial(t, o.SavePath) // a byte of the first chunk: the second has no rows
		}
		say, heard := pipelinetest.Heard()
		_, err := Run(interruptAfter{context.Background(), new(2)}, Options{SavePath: o.SavePath, Threads: 1}, say)
		if told := strings.Contains(heard.String(), "; to be made again: 2 chunks\n"); told != (n == 1) {
			t.Errorf("after %d interrupts: said %q", n, heard)
		}
		if err == nil {
			if n < 2 {
				t.Errorf("done after %d interrupts, want more", n)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || n > 5 {
			t.Fatal(err)
		}
	}
	sameFiles(t, artefactFiles(t, o.SavePath), want)
}

// TestMergeRefusals holds that parts that are not all parts of one collection
// are refused, and named.
func TestMergeRefusals(t *testing.T) {
	o := collecttest.GoldenImages(t, "scores")
	o.Data.Path = manyImages(t)
	dir := filepath.Dir(o.SavePath)
	part := func(name string, number, of int, change func(*collect.Options)) string {
		o := o
		o.SavePath, o.Shard = filepath.Join(dir, name), shard.Shard{Number: number, Of: of}
		if change != nil {
			change(&o)
		}
		collecttest.Collect(t, o)
		return o.Shard.Path(o.SavePath)
	}
	one, two := part("a", 1, 2, nil), part("a", 2, 2, nil)
	third := part("a", 2, 3, nil)
	other := part("b", 2, 2, func(o *collect.Options) { o.Model = testutil.Golden("model/tiny_sd_bf16.pt") })
	strided := part("c", 2, 2, func(o *collect.Options) { o.Stride = 2 })
	damaged := part("d", 2, 2, nil)
	path := filepath.Join(damaged, artefact.ScoresFile)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-5] ^= 1
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	// A manifest that claims more shards than fit in any memory.
	endless := part("e", 1, 2, nil)
	path = filepath.Join(endless, "manifest.json")
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(content, &claims); err != nil {
		t.Fatal(err)
	}
	claims["version"] = 1 // which has no checksum of its own
	delete(claims, "manifest_crc32c")
	claims["origin"] = origin.Legacy{Parameters: map[string]any{"shard": "1/1099511627776", "inputs_in_all": 1 << 50}}
	if content, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	whole := o
	whole.SavePath = filepath.Join(dir, "whole")
	collecttest.Collect(t, whole)

	for _, tt := range []struct {
		name   string
		shards []string
		is     error
		want   string
	}{
		{"one is missing", []string{two}, cache.ErrMissing, "of 2 shards, number 1"},
		{"none is there", []string{filepath.Join(dir, "none")}, cache.ErrMissing, "none"},
		{"twice", []string{one, two, one}, nil, "shard 1/2 again"},
		{"of other cuts", []string{one, third}, cache.ErrStale, "shard 2/3 beside shard 1/2"},
		{"of another model", []string{one, other}, cache.ErrStale, "weights"},
		{"of other images", []string{one, strided}, cache.ErrStale, "sample stride"},
		{"not a shard", []string{one, whole.SavePath}, cache.ErrStale, "it holds scores"},
		{"damaged", []string{one, damaged}, cache.ErrDamaged, "chunk"},
		{"of too many", []string{endless}, nil, "shard \"1/1099511627776\": want N/OF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Run(context.Background(), Options{SavePath: filepath.Join(t.TempDir(), "m"), Shards: tt.shards, Threads: 1}, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %v with %q", err, tt.is, tt.want)
			}
		})
	}
	o.Shard = shard.Shard{Number: 6, Of: 7}
	if _, err := collect.Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "want no more shards than chunks of 32 images") {
		t.Errorf("seven shards of five chunks: error %v", err)
	}
}

func TestParseShard(t *testing.T) {
	for s, want := range map[string]shard.Shard{"1/1": {Number: 1, Of: 1}, "3/16": {Number: 3, Of: 16}} {
		if got, err := shard.Parse(s); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "3", "0/4", "5/4", "-1/4", "1/0", "a/4", "1/4/5", "1/", "1/65537"} {
		if got, err := shard.Parse(s); err == nil {
			t.Errorf("%q: %v, want an error", s, got)
		}
	}
}

func TestShardPath(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"caches/val", "caches/val.3-of-16"},
		{"caches/val/", "caches/val.3-of-16"},
		{"caches/v1.5", "caches/v1.5.3-of-16"},
		{"reprs.dat", "reprs.3-of-16.dat"},
		{"a.b/reprs.npy", "a.b/reprs.3-of-16.npy"},
	} {
		if got := filepath.ToSlash((shard.Shard{Number: 3, Of: 16}).Path(filepath.FromSlash(tt.path))); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, got, tt.want)
		}
	}
}
