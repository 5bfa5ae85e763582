package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/usage"
)

// Files lists images by path, or by pattern as Expand has it: files as they are, whatever their extension, and for a
// folder or an archive every image in it, at any depth, in name order. Names are paths as they
// were given, cleaned and with slashes. A path that does not exist, or an image that two
// of them name, is an error.
func Files(ctx context.Context, paths []string) (*Dataset, error) {
	paths, err := Expand(paths)
	if err != nil {
		return nil, err
	}
	all := &Dataset{Kind: Images}
	seen := map[string]bool{}
	add := func(item Item) error {
		if seen[item.Name] {
			return usage.Errorf("%s: given twice", item.Path)
		}
		seen[item.Name] = true
		all.Items = append(all.Items, item)
		return nil
	}
	take := func(d *Dataset, folder string) error {
		for _, item := range d.Items {
			item.Name = inFolder(folder, item.Name)
			if err := add(item); err != nil {
				return err
			}
		}
		for _, s := range d.Skipped {
			s.Name = nameIn(folder, s.Name)
			all.Skipped = append(all.Skipped, s)
		}
		all.Passed.Files += d.Passed.Files
		all.Passed.Bare += d.Passed.Bare
		return nil
	}
	for _, path := range paths {
		if remote.Named(path) {
			d, err := Open(ctx, Options{Kind: Images, Path: path})
			if err != nil {
				return nil, err
			}
			if err := take(d, addressFolder(path)); err != nil {
				return nil, err
			}
			continue
		}
		path = filepath.Clean(path)
		info, err := os.Stat(path)
		if err != nil {
			var of *fs.PathError
			if errors.As(err, &of) {
				err = fmt.Errorf("%s: %w", path, of.Err)
			}
			return nil, err
		}
		if !info.IsDir() && isTable(path) {
			d, err := readTables(ctx, path, []string{path}, Images, "")
			if err != nil {
				return nil, err
			}
			if err := take(d, filepath.ToSlash(filepath.Dir(path))); err != nil {
				return nil, err
			}
			continue
		}
		if !info.IsDir() && IsArchive(path) {
			p, err := openPack(ctx, path, []string{path}, nil)
			if err != nil {
				return nil, err
			}
			d, err := p.images()
			if err != nil {
				return nil, err
			}
			if err := take(d, filepath.ToSlash(filepath.Dir(path))); err != nil {
				return nil, err
			}
			continue
		}
		if !info.IsDir() {
			name := filepath.ToSlash(path)
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
		if err := take(d, filepath.ToSlash(path)); err != nil {
			return nil, err
		}
	}
	if len(all.Items) == 0 {
		return nil, noLines(all.Skipped)
	}
	return all, nil
}

func inFolder(folder, name string) string {
	switch {
	case folder == ".":
		return name
	case strings.HasSuffix(folder, "/"): // the root
		return folder + name
	}
	return folder + "/" + name
}

// nameIn is inFolder of what was skipped, whose name is quoted if it is not a line: the whole is
// then quoted, not the end of it.
func nameIn(folder, name string) string {
	if whole, err := strconv.Unquote(name); err == nil && printable(whole) == name {
		return printable(inFolder(folder, whole))
	}
	return inFolder(folder, name)
}
