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
	alone := "" // its folders are not looked at
	if folder, within := data.Takes(); folder != "" && data.Path != "" {
		paths = append(paths[:len(paths):len(paths)], folder)
		if !within {
			alone = folder
		}
	}
	for i, path := range paths {
		info, err := os.Stat(path)
		switch {
		case dir == "" || err != nil:
			continue
		case !info.IsDir():
			if held, err := os.Stat(dir); err == nil && dataset.IsImage(path) && isHolder(path, held) {
				return usage.Errorf("%s %s: it is the folder of the image %s, and what is written there would be taken for images with it: want another folder", option, dir, path)
			}
			continue
		}
		inside, err := isInside(dir, path)
		if err != nil {
			return err
		}
		if alone != "" && i == len(paths)-1 {
			there, err := os.Stat(dir)
			inside = err == nil && os.SameFile(info, there)
		}
		if inside {
			return usage.Errorf("%s %s: it is in the folder of images %s, and what is written there would be taken for images: want another folder", option, dir, path)
		}
	}
	return nil
}

// isHolder reports whether a folder holds a file.
func isHolder(file string, folder os.FileInfo) bool {
	held, err := os.Stat(filepath.Dir(file))
	return err == nil && os.SameFile(held, folder)
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
