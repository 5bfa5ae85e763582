package dataset

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strconv"
)

// Classes are the classes of a data set, in the order of its labels.
type Classes struct {
	Names []string
	Path  string // the file or folder that names them
	Table bool   // Path is a list of names; else the names are those of folders, perhaps ids
}

// ClassesOf returns the classes of a data set without listing its pictures; none if
// pictures of its kind have no labels.
func ClassesOf(ctx context.Context, o Options) (*Classes, error) {
	dir := filepath.Clean(o.Path)
	switch o.Kind {
	case ImageNetVal:
		root := splitFolder(dir, "val")
		folders, _, err := classFolders(ctx, root)
		if err != nil {
			return nil, err
		}
		c := &Classes{Path: root}
		if table := classTable(dir, root); table != "" {
			c.Path, c.Table = table, true
		}
		_, c.Names, err = classLabels(dir, root, folders)
		return c, err
	case Cars:
		c := &Classes{Path: join(carsFolder(dir), "devkit/cars_meta.mat"), Table: true}
		var err error
		c.Names, err = ReadCarClasses(c.Path)
		return c, err
	}
	return nil, nil
}

// sortClasses puts the folders of classes in the order of their labels: as numbers if
// all of them are, so that folder 10 follows folder 9, and by name otherwise.
func sortClasses(folders []string) []string {
	sorted, numbers := slices.Sorted(slices.Values(folders)), map[string]uint64{}
	for _, folder := range folders {
		n, err := strconv.ParseUint(folder, 10, 64)
		if err != nil {
			return sorted
		}
		numbers[folder] = n
	}
	slices.SortStableFunc(sorted, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	return sorted
}
