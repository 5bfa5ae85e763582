package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Files lists images by path: files as they are, whatever their extension, and for a
// folder every image below it, at any depth, in name order. Names are paths as they
// were given, cleaned and with slashes, without what leads out of the current folder.
// A path that does not exist, or an image that two of them name, is an error.
func Files(ctx context.Context, paths []string) (*Dataset, error) {
	all := &Dataset{Kind: Images}
	seen := map[string]string{} // paths, by name
	add := func(item Item) error {
		if other, twice := seen[item.Name]; twice {
			if other == item.Path {
				return fmt.Errorf("%s: given twice", item.Path)
			}
			return fmt.Errorf("%s and %s: both would be called %s", other, item.Path, item.Name)
		}
		seen[item.Name] = item.Path
		all.Items = append(all.Items, item)
		return nil
	}
	for _, path := range paths {
		path = filepath.Clean(path)
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			name := nameOf(path)
			if !isLine(name) {
				return nil, fmt.Errorf("%q: name has a line break or is not UTF-8", path)
			}
			if err := add(Item{Path: path, Name: name, Label: Unlabelled}); err != nil {
				return nil, err
			}
			continue
		}
		d, err := readImages(ctx, path)
		if err != nil {
			return nil, err
		}
		folder := nameOf(path)
		for _, item := range d.Items {
			item.Name = inFolder(folder, item.Name)
			if err := add(item); err != nil {
				return nil, err
			}
		}
		for _, s := range d.Skipped {
			s.Name = inFolder(folder, s.Name)
			all.Skipped = append(all.Skipped, s)
		}
		all.Passed.Files += d.Passed.Files
		all.Passed.Bare += d.Passed.Bare
	}
	if len(all.Items) == 0 {
		return nil, noLines(all.Skipped)
	}
	return all, nil
}

// nameOf is a clean path with slashes, from the last place on at which it leads down.
func nameOf(path string) string {
	name := filepath.ToSlash(path[len(filepath.VolumeName(path)):])
	for strings.HasPrefix(name, "../") {
		name = name[len("../"):]
	}
	switch name = strings.TrimLeft(name, "/"); name {
	case ".", "..":
		return ""
	}
	return name
}

func inFolder(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}
