package listing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/merge"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// archives are four archives of 16 golden images each, by a pattern.
func archives(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	golden, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(golden) != 48 {
		t.Fatal(golden, err)
	}
	for i := range 4 {
		folder := t.TempDir()
		for j := range 16 {
			data, err := os.ReadFile(golden[(i*16+j)%len(golden)])
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 && j == 3 {
				data = data[:len(data)/2]
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.png", j)), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		testutil.Pack(t, folder, filepath.Join(dir, fmt.Sprintf("%d.tar", i)), "")
	}
	return filepath.Join(dir, "{0..3}.tar")
}

func bytesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func list(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCollectedByList: shards that are collected by a list, each while only the archives of its
// own images are there, are merged to the bytes of one run without a list; so are shards of
// which some were made without.
func TestCollectedByList(t *testing.T) {
	pattern := archives(t)
	for name, change := range map[string]func(*collect.Options){
		"scores":     func(*collect.Options) {},
		"strided":    func(o *collect.Options) { o.Stride = 2 },
		"statistics": func(o *collect.Options) { o.StatsOnly, o.TopK = true, 8 },
		"summary":    func(o *collect.Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 8 },
		"mean":       func(o *collect.Options) { o.Mean = true },
	} {
		t.Run(name, func(t *testing.T) {
			o := collecttest.GoldenImages(t, name)
			o.Data = dataset.Options{Kind: dataset.Images, Path: pattern}
			change(&o)
			collecttest.Collect(t, o)
			want := bytesBelow(t, o.SavePath)
			dir := t.TempDir()
			kept := filepath.Join(dir, "kept.listing")
			if r := list(t, Options{Data: o.Data, SavePath: kept}); r.Images != 64 || r.Archives != 4 || r.Complete {
				t.Fatalf("%+v", r)
			}
			o.SavePath = filepath.Join(dir, name)
			byList := o
			byList.Data.Path = kept
			if o.Mean || o.Stride > 1 {
				collecttest.Collect(t, byList)
				same(t, bytesBelow(t, o.SavePath), want)
				return
			}
			for i := range 2 {
				byList.Shard = shard.Shard{Number: i + 1, Of: 2}
				away := filepath.Join(filepath.Dir(pattern), fmt.Sprintf("%d.tar", 3-3*i)) // of the other shard
				if err := os.Rename(away, away+".away"); err != nil {
					t.Fatal(err)
				}
				collecttest.Collect(t, byList)
				if err := os.Rename(away+".away", away); err != nil {
					t.Fatal(err)
				}
			}
			again := o
			again.Shard = shard.Shard{Number: 2, Of: 2} // is complete also to a run without the list
			if r := collecttest.Collect(t, again); !r.Complete {
				t.Errorf("%+v, want it complete", r)
			}
			if _, err := merge.Run(t.Context(), merge.Options{SavePath: o.SavePath, Threads: 1}, pipelinetest.Silent()); err != nil {
				t.Fatal(err)
			}
			same(t, bytesBelow(t, o.SavePath), want)
		})
	}
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

// TestImageChanged: a shard whose image has another size than in the list is not made, and one
// of other images is.
func TestImageChanged(t *testing.T) {
	folder := pipelinetest.Spoiled(t)
	o := collecttest.GoldenImages(t, "scores")
	o.Data.Path = folder
	kept := filepath.Join(t.TempDir(), "kept.listing")
	list(t, Options{Data: o.Data, SavePath: kept})
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(folder, entries[0].Name())
	if err := os.WriteFile(first, []byte("other"), 0o666); err != nil {
		t.Fatal(err)
	}
	o.Data.Path = kept
	o.Shard = shard.Shard{Number: 1, Of: 2}
	if _, err := collect.Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), entries[0].Name()) {
		t.Errorf("error %v, want it stale, with the image", err)
	}
	o.Shard.Number = 2
	collecttest.Collect(t, o)
}

// TestAgain: a list stays as it is, and is made again when that is asked for; a list of other
// images, or another file, is not replaced.
func TestAgain(t *testing.T) {
	folder := t.TempDir()
	add := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	add("a.jpg")
	o := Options{Data: dataset.Options{Kind: dataset.Images, Path: folder}, SavePath: filepath.Join(t.TempDir(), "kept.listing")}
	first := list(t, o)
	add("b.jpg")
	if r := list(t, o); r.Images != 1 || !r.Complete || r.SHA256 != first.SHA256 {
		t.Errorf("again: %+v", r)
	}
	o.Restart = true
	if r := list(t, o); r.Images != 2 || r.Complete || r.SHA256 == first.SHA256 {
		t.Errorf("listed again: %+v", r)
	}
	a, err := cache.Open(o.SavePath)
	if err != nil || a.Manifest.Shape[0] != 2 || len(a.Manifest.Origin.Images.SHA256) != 64 || len(a.Manifest.Origin.Images.Names) != 64 {
		t.Errorf("manifest %+v, %v", a.Manifest, err)
	}
	o.Restart = false
	o.Data.Path = t.TempDir()
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("of another folder: %v", err)
	}
	o.SavePath = strings.TrimSuffix(o.SavePath, "listing") + "txt"
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "want a name that ends in .listing") {
		t.Errorf("another ending: %v", err)
	}
	o.SavePath = filepath.Join(t.TempDir(), "x.listing")
	if err := os.WriteFile(o.SavePath, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	o.Data.Path = folder
	o.Restart = true
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("another program's file: %v", err)
	}
}

// TestGoneWhileListed names an image that cannot be opened while it is listed; to a strict run
// it is an error, and nothing is written.
func TestGoneWhileListed(t *testing.T) {
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o777); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(testutil.Golden("dataset/00003.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(images, "a.png"), data, 0o666), os.Symlink("nowhere.png", filepath.Join(images, "b.png"))); err != nil {
		t.Fatal(err)
	}
	o := Options{Data: dataset.Options{Kind: dataset.Images, Path: images}, SavePath: filepath.Join(dir, "all.listing"), Strict: true, Store: &cache.Store{}}
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); testutil.Line(err, "b.png: cannot be opened") != nil {
		t.Errorf("error %v, want b.png named", err)
	}
	if _, err := os.Stat(o.SavePath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a list is there: %v", err)
	}
	o.Strict = false
	say, heard := pipelinetest.Heard()
	if r, err := Run(t.Context(), o, say); err != nil || r.Images != 2 || !strings.Contains(heard.String(), "b.png: cannot be opened") {
		t.Errorf("%+v, error %v, said %q", r, err, heard)
	}
}

// TestChangedSinceListed names an image that has another size than in the list; to a strict run
// it is an error.
func TestChangedSinceListed(t *testing.T) {
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.png", "b.png"} {
		if err := os.WriteFile(filepath.Join(images, name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "all.listing")
	list(t, Options{Data: dataset.Options{Kind: dataset.Images, Path: images}, SavePath: path, Store: &cache.Store{}})
	listed := dataset.Options{Kind: dataset.Images, Path: path}
	say, heard := pipelinetest.Heard()
	if _, err := source.OpenImages(t.Context(), listed, true, say); err != nil || heard.String() != "" {
		t.Errorf("error %v, said %q of a list that holds", err, heard)
	}
	if err := os.WriteFile(filepath.Join(images, "b.png"), []byte("longer"), 0o666); err != nil {
		t.Fatal(err)
	}
	const want = "1 image of 2 has changed since it was made, the first"
	if _, err := source.OpenImages(t.Context(), listed, false, say); err != nil || !strings.Contains(heard.String(), want) || !strings.Contains(heard.String(), "b.png: 6 bytes, 5 bytes when it was listed") {
		t.Errorf("error %v, said %q, want %q", err, heard, want)
	}
	if _, err := source.OpenImages(t.Context(), listed, true, say); !errors.Is(err, cache.ErrStale) || testutil.Line(err, want) != nil {
		t.Errorf("error %v, want %q", err, want)
	}
	if err := os.Remove(filepath.Join(images, "a.png")); err != nil {
		t.Fatal(err)
	}
	if _, err := source.OpenImages(t.Context(), listed, false, say); !errors.Is(err, cache.ErrStale) || testutil.Line(err, "a.png: stale: ", "lists it, and it is not there any more") != nil {
		t.Errorf("error %v, want one about a.png, as of an image of an archive", err)
	}
}
