package figure

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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

// CanWriteImages fails where PNG files cannot be written: where no folder can be made for one,
// two would have the same path, or there is a file of another maker. WriteImage makes the folders,
// so that a run that draws nothing leaves none.
func CanWriteImages(paths []string, maker string) error {
	folders := map[string]bool{}
	taken := map[string]bool{}
	for _, p := range paths {
		if dir := filepath.Dir(p); !folders[dir] {
			folders[dir] = true
			if err := artefact.CanMakeFolders(p); err != nil {
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

// WriteImage writes a PNG file, and makes the folder that it is to be in.
func WriteImage(store *cache.Store, path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return store.WriteFile(path, write)
}
