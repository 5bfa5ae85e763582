package collect

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPacked collects images from archives, interrupted and resumed: what is written has
// the bytes of what the folder gives, names aside, with the same images skipped for the
// same reasons.
func TestPacked(t *testing.T) {
	folder := pipelinetest.Spoiled(t)
	for _, form := range []string{"photos.tar", "photos.tar.gz", "photos.zip", "photos.parquet"} {
		t.Run(form, func(t *testing.T) {
			whole := goldenStatistics(t)
			if form == "photos.zip" {
				whole = goldenImages(t, "scores")
			}
			whole.Data.Path = folder
			run(t, whole)
			want := treeBytes(t, whole.SavePath)

			o := whole
			o.SavePath, o.Data.Path = filepath.Join(t.TempDir(), "packed"), filepath.Join(t.TempDir(), form)
			testutil.Pack(t, folder, o.Data.Path, "")
			ctx, cancel := context.WithCancel(context.Background())
			_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			result := run(t, o)
			got := treeBytes(t, o.SavePath)
			got[artefact.ImagesFile] = strings.ReplaceAll(got[artefact.ImagesFile], form+"!", "")
			for file := range want {
				if file != "manifest.json" && got[file] != want[file] {
					t.Errorf("%s differs", file)
				}
			}
			skipped := skippedOf(t, whole.SavePath)
			if len(result.Skipped) == 0 || len(result.Skipped) != len(skipped) {
				t.Fatalf("%d skipped, want %d, and some", len(result.Skipped), len(skipped))
			}
			for i, s := range result.Skipped {
				if s.Name != form+"!"+skipped[i].Name || strings.ReplaceAll(s.Reason, form+"!", "") != skipped[i].Reason {
					t.Errorf("skipped %+v, want %+v", s, skipped[i])
				}
			}
		})
	}
}

func skippedOf(t *testing.T, path string) []cache.Skipped {
	a, err := cache.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return a.Manifest.Skipped
}
