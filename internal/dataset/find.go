package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// decoded are the extensions of pictures that the program decodes, others those
// of pictures that it will name and skip.
var (
	decoded = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif"}
	others  = []string{".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".heic", ".heif", ".avif", ".jp2", ".jxl"}
)

func isPicture(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return slices.Contains(decoded, ext) || slices.Contains(others, ext)
}

const (
	batch    = 1024 // directory entries read at a time
	maxDepth = 64   // folders within folders
)

// finder lists the pictures of folders.
type finder struct {
	ctx      context.Context
	pictures []string // paths, in no order
	files    int      // files that are none
	folders  int      // folders that were found, entered or not
	deep     bool     // enter folders
}

// find adds the pictures of folder dir. above holds the folders that led here.
func (f *finder) find(dir string, above []fs.FileInfo) error {
	if len(above) == maxDepth {
		return fmt.Errorf("%s: more than %d folders within folders", dir, maxDepth)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, a := range above {
		if os.SameFile(a, info) {
			return nil // a link led back, to where all has been or will be found
		}
	}
	var inner []string
	err = f.entries(dir, func(e fs.DirEntry) error {
		path := join(dir, e.Name())
		switch {
		case e.IsDir() || !isPicture(e.Name()) && linksToFolder(e, path):
			f.folders++
			inner = append(inner, path)
		case !isPicture(e.Name()):
			f.files++
		default:
			f.pictures = append(f.pictures, path)
		}
		return nil
	})
	if err != nil || !f.deep {
		return err
	}
	above = append(slices.Clone(above), info)
	for _, path := range inner {
		if err := f.find(path, above); err != nil {
			return err
		}
	}
	return nil
}

// entries calls visit for the entries of a folder that are not hidden.
func (f *finder) entries(dir string, visit func(fs.DirEntry) error) error {
	open, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer open.Close()
	for {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		found, err := open.ReadDir(batch)
		for _, e := range found {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if err := visit(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func linksToFolder(e fs.DirEntry, path string) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// join is filepath.Join of two clean parts.
func join(dir, name string) string {
	if os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

// items makes items of paths below root, in name order. Names share the memory
// of paths. A name that a line of text cannot hold is an error, as artefacts
// list names one a line.
func items(root string, paths []string, label int) ([]Item, error) {
	above := len(join(root, ""))
	list := make([]Item, len(paths))
	for i, path := range paths {
		name := filepath.ToSlash(path[above:])
		if strings.ContainsAny(name, "\r\n") || !utf8.ValidString(name) {
			return nil, fmt.Errorf("%q: line breaks or no UTF-8 in a picture's name, want a line of text", path)
		}
		list[i] = Item{Path: path, Name: name, Label: label}
	}
	slices.SortFunc(list, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// noPictures is the error of a folder in which f found none.
func (f *finder) noPictures(dir string) error {
	return fmt.Errorf("%s: no pictures (%s) among %d files and %d folders",
		dir, strings.Join(decoded, " "), f.files, f.folders)
}
