package dataset

import (
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
)

// An Item is an image.
type Item struct {
	Path  string // what messages call it: the path of its file, as the system writes it
	Name  string // below Root, with slashes; unique
	Label int    // index into Classes, or Unlabelled
}

// Unlabelled is the label of an image of no known class.
const Unlabelled = -1

// Load reads the image's bytes, as imageprep.Load does those of a file.
func (i *Item) Load() (*imageprep.File, error) {
	return imageprep.Load(i.Path)
}

// Size returns how many bytes the image has now, or -1 if it cannot be opened.
func (i *Item) Size() int64 {
	return size(i.Path)
}

// size is the size of the file at path, or unopened.
func size(path string) int64 {
	f, err := foreign.Open(path) // a pipe among the images would be waited for without end
	if err != nil {
		return unopened
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unopened
	}
	return info.Size()
}

// ByName returns the items by their names.
func ByName(items []Item) map[string]*Item {
	byName := make(map[string]*Item, len(items))
	for i := range items {
		byName[items[i].Name] = &items[i]
	}
	return byName
}
