package figure

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
)

// FileOf is the name of the PNG file that is drawn of an image, in a single folder:
// folders of the image's name become parts of it.
func FileOf(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(name, path.Ext(name)), "/", "_") + ".png"
}

// FilesOf are the names of the PNG files that are drawn of some images, all different: FileOf,
// and where several images would have one, such as a.jpg and a.png, their extensions are kept,
// and then numbers are added, in their order.
func FilesOf(images []string) []string {
	files, count := make([]string, len(images)), map[string]int{}
	for i, name := range images {
		files[i] = FileOf(name)
		count[files[i]]++
	}
	taken := map[string]bool{}
	for _, file := range files {
		taken[file] = count[file] == 1
	}
	for i, name := range images {
		if count[FileOf(name)] == 1 {
			continue
		}
		whole := strings.ReplaceAll(name, "/", "_")
		file := whole + ".png"
		for n := 2; taken[file]; n++ {
			file = fmt.Sprintf("%s-%d.png", whole, n)
		}
		files[i], taken[file] = file, true
	}
	return files
}

// CanWriteImages makes the folders of PNG files that are to be written. It fails where
// two would have the same path, or where there is a file of another maker.
func CanWriteImages(paths []string, maker string) error {
	folders := map[string]bool{}
	taken := map[string]bool{}
	for _, p := range paths {
		if dir := filepath.Dir(p); !folders[dir] {
			folders[dir] = true
			if err := artefact.MakeFolders(p); err != nil {
				return err
			}
		}
		if taken[p] {
			return fmt.Errorf("%s: two images, or drawings and label maps, would have this name", p)
		}
		taken[p] = true
		there, err := MakerOf(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if there != maker {
			return hint.With(fmt.Errorf("%s: %w, and %s did not make it", p, cache.ErrExists, maker), "give another folder")
		}
	}
	return nil
}
