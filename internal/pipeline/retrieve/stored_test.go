package retrieve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestRetrieveStoresOnce holds that an image that several units are strong on is one file,
// no larger than was asked for, and that folders have nothing else but sheets.
func TestRetrieveStoresOnce(t *testing.T) {
	dir := t.TempDir()
	o := Options{Options: goldenImages(), Neurons: []string{"37", "38"}, Top: 5, Threads: 2, SaveDir: dir, SheetHeads: 1, CopySide: 16}
	o.Model, o.ScoresPath = "", pipelinetest.GoldenScores(t) // no heat maps
	o.Data = pipelinetest.LabelledFolder(t)
	distinct, uses := map[string]bool{}, 0
	for _, n := range retrieve(t, o).Neurons {
		for _, u := range n.Units {
			for _, hit := range u.Top {
				if want := storedPath(dir, hit.Image, hit.Name); hit.Path != want {
					t.Errorf("%s: path %s, want %s", hit.Name, hit.Path, want)
				}
				distinct[hit.Path] = true
				uses++
			}
		}
	}
	if len(distinct) == uses {
		t.Fatal("no image is used twice")
	}
	files := retrievedFiles(t, dir)
	if want := len(distinct) + 2; len(files) != want {
		t.Errorf("%d files, want %d images and 2 sheets", len(files), want-2)
	}
	for path := range distinct {
		img, err := readImage(path)
		if err != nil {
			t.Fatal(err)
		}
		if max(img.W, img.H) != 16 {
			t.Errorf("%s: %d x %d pixels, want 16 on the longer side", path, img.W, img.H)
		}
	}
	mine := filepath.Join(dir, storedFolder, "7_mine.png")
	if err := os.WriteFile(mine, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("error %v, want that %s is in the way", err, mine)
	}
}

func TestStoredPath(t *testing.T) {
	for name, want := range map[string]string{
		"a/cat.jpg": "d/images/3_cat.png", "n01/été 1.JPEG": "d/images/3___t___1.png", "../..": "d/images/3_..png", "-": "d/images/3_-.png",
	} {
		if got := filepath.ToSlash(storedPath("d", 3, name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// readImage decodes an image file.
func readImage(path string) (*imageprep.RGB, error) {
	f, err := imageprep.Load(path)
	if err != nil {
		return nil, err
	}
	return f.Decode(imageprep.Options{})
}
