package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/usage"
)

func TestWantOutside(t *testing.T) {
	above := t.TempDir()
	photos := filepath.Join(above, "val")
	if err := os.Mkdir(photos, 0o777); err != nil {
		t.Fatal(err)
	}
	images := dataset.Options{Kind: dataset.Images, Path: photos}
	for dir, refused := range map[string]bool{
		photos: true, filepath.Join(photos, "out"): true, filepath.Join(photos, "a", "..", "b", "c"): true,
		"": false, filepath.Dir(photos): false, photos + "-out": false, filepath.Join(photos, "..", "out"): false,
	} {
		for name, err := range map[string]error{
			"data":      WantOutside("{out}", dir, images),
			"arguments": WantOutside("{out}", dir, dataset.Options{}, filepath.Join(photos, "no such file"), photos),
			"classes":   WantOutside("{out}", dir, dataset.Options{Kind: dataset.ImageNetVal, Path: photos}),
			"val":       WantOutside("{out}", dir, dataset.Options{Kind: dataset.ImageNetVal, Path: above}),
		} {
			if errors.Is(err, usage.Err) != refused {
				t.Errorf("%s, %s: error %v", name, dir, err)
			}
		}
		if err := WantOutside("{out}", dir, dataset.Options{Kind: dataset.ImageNetTest, Path: photos}); errors.Is(err, usage.Err) != (dir == photos) {
			t.Errorf("images of one folder alone, %s: %v", dir, err)
		}
		if err := WantOutside("{out}", dir, dataset.Options{Kind: dataset.Cars, Path: photos}); err != nil {
			t.Errorf("images that are named, %s: %v", dir, err)
		}
	}
	image, notes := filepath.Join(photos, "a.jpg"), filepath.Join(photos, "photos.tar")
	for _, file := range []string{image, notes} {
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for dir, refused := range map[string]bool{
		photos: true, filepath.Join(photos, "a", ".."): true, filepath.Join(photos, "out"): false, "": false, filepath.Dir(photos): false,
	} {
		if err := WantOutside("{out}", dir, dataset.Options{}, notes, image); errors.Is(err, usage.Err) != refused {
			t.Errorf("the folder of an image, %s: error %v", dir, err)
		}
		if err := WantOutside("{out}", dir, dataset.Options{}, notes); err != nil {
			t.Errorf("the folder of an archive, %s: error %v", dir, err)
		}
	}
}
