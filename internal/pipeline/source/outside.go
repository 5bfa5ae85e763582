package source

import (
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/usage"
)

// WantOutside refuses a folder for pictures that is one of the folders of images, or inside of
// one, where the next run would take them for images. option names it. Of a data set that is the
// folder of its classes, or that of its images alone; those of some kinds are named. Of an image
// that is given by itself, the folder that holds it is refused, and none below: where photos and
// results are side by side, the results have a folder of their own.
func WantOutside(option, dir string, data dataset.Options, paths ...string) error {
	if dir == "" {
		return nil
	}
	for _, path := range paths {
		if err := wantOutside(option, dir, path, true); err != nil {
			return err
		}
	}
	if folder, within := data.Takes(); folder != "" && data.Path != "" {
		return wantOutside(option, dir, folder, within)
	}
	return nil
}

// wantOutside refuses dir if it is the folder path of images, or inside of it if the images in folders
// within are taken too, or if it holds the image path.
func wantOutside(option, dir, path string, within bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		if dataset.IsImage(path) && isSame(dir, filepath.Dir(path)) {
			return usage.Errorf("%s %s: it is the folder of the image %s, and what is written there would be taken for images with it: want another folder", option, dir, path)
		}
		return nil
	}
	inside := isSame(dir, path)
	if within {
		if inside, err = isInside(dir, path); err != nil {
			return err
		}
	}
	if inside {
		return usage.Errorf("%s %s: it is in the folder of images %s, and what is written there would be taken for images: want another folder", option, dir, path)
	}
	return nil
}

// isSame reports whether two paths lead to the same folder, which is there.
func isSame(dir, other string) bool {
	a, err := os.Stat(dir)
	if err != nil {
		return false
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b)
}

// isInside reports whether a folder is another or is inside it.
func isInside(dir, other string) (bool, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	if other, err = filepath.Abs(other); err != nil {
		return false, err
	}
	below, err := filepath.Rel(other, dir)
	return err == nil && filepath.IsLocal(below), nil
}
