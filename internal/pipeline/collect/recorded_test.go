package collect

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestRecordedImages compares images with the checksums of collections: also in a chunk in
// which one was skipped, of every second image, of a dense file, which names no image, and
// of a shard.
func TestRecordedImages(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *Options)
		none   []string // whose checksums are not known
	}{
		"scores":       {func(*Options) {}, nil},
		"every second": {func(o *Options) { o.Stride = 2 }, []string{"01.png"}},
		"dense":        {func(o *Options) { o.Mode, o.SavePath = ModeNeurons, o.SavePath+".npy" }, nil},
		"shard":        {func(o *Options) { o.Shard = shard.Shard{Number: 1, Of: 2} }, []string{"33.png"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := goldenImages(t, "made")
			o.Data.Path = manyImages(t)
			if c.change(&o); o.Shard.Of == 0 {
				if err := os.WriteFile(filepath.Join(o.Data.Path, "02.png"), []byte("no image"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a, err := cache.Open(run(t, o).Path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := dataset.Open(t.Context(), o.Data)
			if err != nil {
				t.Fatal(err)
			}
			all := append([]string{"00.png", "04.png"}, c.none...)
			items := dataset.ByName(data.Items)
			compare := func(strict bool) (changed []string, err error) {
				r, err := source.RecordedImages(a, a.Path(), data, strict)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range all {
					f, err := items[name].Load()
					if err != nil {
						t.Fatal(err)
					}
					if err := r.Compare(name, f); err != nil {
						return nil, err
					}
				}
				return r.Tell(pipelinetest.Silent()), nil
			}
			if changed, err := compare(true); err != nil || len(changed) > 0 {
				t.Errorf("images as they were: %q, %v", changed, err)
			}
			for _, name := range all {
				spoil(t, filepath.Join(o.Data.Path, name))
			}
			if changed, err := compare(false); err != nil || !slices.Equal(changed, all[:2]) {
				t.Errorf("changed %q, %v, want %q", changed, err, all[:2])
			}
			if _, err := compare(true); !errors.Is(err, cache.ErrStale) || testutil.Line(err, items["00.png"].Path, a.Path()) != nil {
				t.Errorf("strict: %v", err)
			}
		})
	}
	var none *source.Recorded
	if err := none.CompareSum("x", "x", 1); err != nil || none.Tell(pipelinetest.Silent()) != nil {
		t.Errorf("of no collection: %v", err)
	}
}
