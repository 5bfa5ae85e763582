package source

import (
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/usage"
)

// WantOutside refuses a folder for pictures that is one of the folders of images, or inside of
// one, where the next run would take them for images. option names it. Data sets of other kinds
// than dataset.Images take those of their classes only.
func WantOutside(option, dir string, data dataset.Options, paths ...string) error {
	if data.Kind == dataset.Images {
		paths = append(paths[:len(paths):len(paths)], data.Path)
	}
	for _, folder := range paths {
		if info, err := os.Stat(folder); dir == "" || err != nil || !info.IsDir() {
			continue
		}
		inside, err := isInside(dir, folder)
		if err != nil {
			return err
		}
		if inside {
			return usage.Errorf("%s %s: it is in the folder of images %s, and what is written there would be taken for images: want another folder", option, dir, folder)
		}
	}
	return nil
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
