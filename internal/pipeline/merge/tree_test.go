package merge

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// part is shards first to last of of.
func part(first, last, of int) shard.Shard { return shard.Shard{Number: first, Last: last, Of: of} }

// TestMergeTree holds that shards which are merged to parts, and these to others, have the bytes
// of a collection made as a whole, whether or not what they were merged of is still there.
func TestMergeTree(t *testing.T) {
	images := manyImages(t)
	for name, change := range map[string]func(*collect.Options){
		"scores":     func(o *collect.Options) {},
		"half":       func(o *collect.Options) { o.DType = npy.Float16 },
		"statistics": func(o *collect.Options) { o.StatsOnly, o.TopK = true, 40 },
		"summary":    func(o *collect.Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 40 },
		"vit": func(o *collect.Options) { // with image features in a folder within
			vit, layer := collecttest.GoldenViT(t, collect.ModePairs, ""), 2
			vit.Data, vit.SavePath, vit.NeuronLayer = o.Data, o.SavePath, &layer
			*o = vit
		},
		"dense": func(o *collect.Options) { o.SavePath += ".dat" },
	} {
		t.Run(name, func(t *testing.T) {
			o := collecttest.GoldenImages(t, name)
			o.Data = dataset.Options{Kind: dataset.Images, Path: images}
			change(&o)
			whole := collecttest.Collect(t, o)
			want := artefactFiles(t, o.SavePath)
			removes := []bool{true}
			if name == "scores" {
				removes = []bool{true, false}
			}
			for _, remove := range removes {
				save := filepath.Join(t.TempDir(), filepath.Base(o.SavePath))
				make := func(of int) {
					for _, i := range rand.Perm(of) {
						o := o
						o.SavePath, o.Shard = save, shard.Shard{Number: i + 1, Of: of}
						collecttest.Collect(t, o)
					}
				}
				join := func(of shard.Shard, shards ...string) *Result {
					t.Helper()
					r, err := Run(t.Context(), Options{SavePath: save, Part: of, Shards: shards, Threads: 2}, pipelinetest.Silent())
					if err != nil {
						t.Fatal(err)
					}
					if remove && !of.Whole() {
						for n := of.Number; n <= of.Last; n++ {
							at := shard.Shard{Number: n, Of: of.Of}.Path(save)
							if err := errors.Join(os.RemoveAll(at), os.RemoveAll(at+".json")); err != nil {
								t.Fatal(err)
							}
						}
					}
					return r
				}
				make(5) // in the second of the five no image can be read
				if r := join(part(2, 3, 5)); r.Shards != 2 || r.Path != part(2, 3, 5).Path(save) || r.Complete {
					t.Errorf("%+v", r)
				}
				join(part(1, 3, 5))
				if again := join(part(1, 3, 5)); remove && (!again.Complete || again.Shards != 3 || again.Path != part(1, 3, 5).Path(save)) {
					t.Errorf("again, without its shards: %+v, want it complete", again)
				}
				join(part(4, 5, 5), shard.Shard{Number: 5, Of: 5}.Path(save), shard.Shard{Number: 4, Of: 5}.Path(save))
				got := join(shard.Shard{})
				if got.Images != whole.Images || len(got.Skipped) != len(whole.Skipped) || got.Shards != 5 {
					t.Errorf("result %+v, want %+v", got, whole)
				}
				sameFiles(t, artefactFiles(t, save), want)
				if remove {
					continue
				}
				if again := join(part(1, 3, 5)); !again.Complete {
					t.Errorf("again: %+v, want it complete", again)
				}
			}
		})
	}
}

// TestPartWithoutImages: a part of shards in which no image could be read is merged like others.
func TestPartWithoutImages(t *testing.T) {
	for name, change := range map[string]func(*collect.Options){
		"statistics": func(o *collect.Options) { o.StatsOnly, o.TopK = true, 40 },
		"summary":    func(o *collect.Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 40 },
	} {
		dir := manyImages(t)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries[:80] { // of the first two shards
			if err := os.WriteFile(filepath.Join(dir, e.Name()), []byte("no image"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		o := collecttest.GoldenImages(t, name)
		o.Data = dataset.Options{Kind: dataset.Images, Path: dir}
		change(&o)
		collecttest.Collect(t, o)
		want := artefactFiles(t, o.SavePath)
		o.SavePath += "2"
		for i := range 4 {
			o.Shard = shard.Shard{Number: i + 1, Of: 4}
			collecttest.Collect(t, o)
		}
		for _, p := range []shard.Shard{part(1, 2, 4), {}} {
			r, err := Run(t.Context(), Options{SavePath: o.SavePath, Part: p, Threads: 1}, pipelinetest.Silent())
			if err != nil {
				t.Fatal(err)
			}
			if p.Number == 1 && (r.Images != 0 || len(r.Skipped) == 0) {
				t.Errorf("%s: %d images, %d skipped, want no images", name, r.Images, len(r.Skipped))
			}
		}
		sameFiles(t, artefactFiles(t, o.SavePath), want)
	}
}

// TestPartUnfinished: a part that a merge has left unfinished is resumed by the same merge, and
// left aside by another, as long as its shards are there.
func TestPartUnfinished(t *testing.T) {
	o := collecttest.GoldenImages(t, "scores")
	o.Data.Path = manyImages(t)
	collecttest.Collect(t, o)
	want := artefactFiles(t, o.SavePath)
	o.SavePath += "2"
	for i := range 4 {
		o.Shard = shard.Shard{Number: i + 1, Of: 4}
		collecttest.Collect(t, o)
	}
	half := Options{SavePath: o.SavePath, Part: part(1, 3, 4), Threads: 1}
	if _, err := Run(interruptAfter{context.Background(), new(2)}, half, pipelinetest.Silent()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Options{SavePath: o.SavePath, Threads: 1}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, artefactFiles(t, o.SavePath), want)
	say, heard := pipelinetest.Heard()
	if _, err := Run(t.Context(), half, say); err != nil || strings.Contains(heard.String(), "warning") {
		t.Errorf("%v, said %q", err, heard)
	}
	if a, err := cache.Open(half.Part.Path(o.SavePath)); err != nil || a.Manifest.Origin.Shard.Last != 3 {
		t.Errorf("part %v", err)
	}
}

// TestPartRepaired: a part that is damaged has the bytes again that it had.
func TestPartRepaired(t *testing.T) {
	for name, change := range map[string]func(*collect.Options){
		artefact.ScoresFile: func(o *collect.Options) {},
		artefact.SumsFile:   func(o *collect.Options) { o.StatsOnly, o.TopK = true, 40 },
		artefact.SketchFile: func(o *collect.Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 40 },
	} {
		o := collecttest.GoldenImages(t, "part")
		o.Data.Path = manyImages(t)
		change(&o)
		for i := range 2 {
			o.Shard = shard.Shard{Number: i + 2, Of: 4}
			collecttest.Collect(t, o)
		}
		if _, err := Run(t.Context(), Options{SavePath: o.SavePath, Part: part(2, 3, 4), Threads: 1}, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		at := part(2, 3, 4).Path(o.SavePath)
		want := artefactFiles(t, at)
		data := []byte(want[string(filepath.Separator)+name])
		data[len(data)-5] ^= 1
		if err := os.WriteFile(filepath.Join(at, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := cache.Inspect(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := collect.Repair(t.Context(), a, collect.RepairOptions{Model: o.Model, DataPath: o.Data.Path, BatchSize: o.BatchSize, Threads: 2}, pipelinetest.Silent()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sameFiles(t, artefactFiles(t, at), want)
	}
}

// TestPartRefusals holds that parts which do not fit are refused, and named.
func TestPartRefusals(t *testing.T) {
	o := collecttest.GoldenImages(t, "scores")
	o.Data.Path = manyImages(t)
	var paths []string
	for i := range 4 {
		o.Shard = shard.Shard{Number: i + 1, Of: 4}
		collecttest.Collect(t, o)
		paths = append(paths, o.Shard.Path(o.SavePath))
	}
	join := func(of shard.Shard, paths ...string) error {
		_, err := Run(t.Context(), Options{SavePath: o.SavePath, Part: of, Shards: paths, Threads: 1}, pipelinetest.Silent())
		return err
	}
	two := part(2, 3, 4)
	if err := join(two); err != nil {
		t.Fatal(err)
	}
	middle := two.Path(o.SavePath)
	for _, tt := range []struct {
		name  string
		of    shard.Shard
		paths []string
		is    error
		want  string
	}{
		{"not all of a part", part(1, 3, 4), paths[:2], cache.ErrMissing, "of 4 shards, number 3"},
		{"of another part", part(1, 2, 4), paths[1:3], cache.ErrStale, "it is shard 3/4, want those of 1-2/4"},
		{"of another cut", part(1, 2, 3), paths[:2], cache.ErrStale, "it is shard 1/4, want those of 1-2/3"},
		{"a shard and its part", shard.Shard{}, append([]string{middle}, paths...), nil, "again, which "},
		{"a shard within a part", shard.Shard{}, []string{paths[0], middle, paths[2], paths[3]}, nil, "shard 3/4 again"},
		{"a gap", shard.Shard{}, []string{paths[0], middle}, cache.ErrMissing, "of 4 shards, number 4"},
		{"none of a part", part(3, 4, 5), nil, cache.ErrMissing, "of 5 shards, number 3, 4"},
	} {
		if err := join(tt.of, tt.paths...); err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: error %v, want %v with %q", tt.name, err, tt.is, tt.want)
		}
	}
	if err := os.RemoveAll(paths[3]); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(paths[1]); err != nil { // which the part has
		t.Fatal(err)
	}
	if err := join(shard.Shard{}); !errors.Is(err, cache.ErrMissing) || !strings.HasSuffix(err.Error(), "of 4 shards, number 4") {
		t.Errorf("without the fourth: error %v", err)
	}
}

func TestParseSeveral(t *testing.T) {
	for s, want := range map[string]shard.Shard{"1-64/4096": part(1, 64, 4096), "3-4/4": part(3, 4, 4)} {
		if got, err := shard.ParseSeveral(s); got != want || err != nil || got.String() != s || got.Check() != nil {
			t.Errorf("%s: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "3", "3/4", "1-4/4", "2-2/4", "3-2/4", "0-2/4", "2-5/4", "-1-2/4", "1-2", "1-2-3/4", "1-65536/65537"} {
		if got, err := shard.ParseSeveral(s); err == nil {
			t.Errorf("%q: %v, want an error", s, got)
		}
	}
	path := filepath.Join("caches", "val")
	if got := part(1, 64, 4096).Path(path); got != path+".1-64-of-4096" || shard.Of(path, got) != part(1, 64, 4096) {
		t.Errorf("path %s, which is %v", got, shard.Of(path, got))
	}
}
