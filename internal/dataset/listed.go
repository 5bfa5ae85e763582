package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
)

// This file reads lists of images: a .txt with a path on each line, or a .csv with a
// column of paths and perhaps one of labels. Paths start at the list's folder. The order
// is that of the list. Names are the paths as they are written, or, where one of them
// leads out of the list's folder, from the deepest folder that all images are in.

var (
	pathColumns  = []string{"path", "filepath", "file_path", "file", "filename", "file_name", "image", "image_path"}
	labelColumns = []string{"label", "class", "cls"}
	urlColumns   = []string{"url", "URL", "image_url"}
)

// IsList reports whether a file is called a list of images.
func IsList(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return (ext == ".txt" || ext == ".csv") && isFile(path)
}

// readList lists the images of a list.
func readList(ctx context.Context, list, kind string) (*Dataset, error) {
	if kind != Images && kind != ImageNetTest && kind != ImageNetVal {
		return nil, fmt.Errorf("%s: a list of images, want the folder of the data set", list)
	}
	var paths, classes []string
	var err error
	if strings.EqualFold(filepath.Ext(list), ".csv") {
		paths, classes, err = listColumns(list)
	} else {
		paths, err = textlist.ReadFile(list)
	}
	if err != nil {
		return nil, err
	}
	if kind == ImageNetVal && classes == nil {
		return nil, hinted{
			fmt.Errorf("%s: a list without labels", list),
			"give a .csv with a column " + strings.Join(labelColumns, ", ") + ", or use \"{dataset} images\" for images without labels",
		}
	}
	d := &Dataset{Root: list}
	if d.Items, err = listedItems(ctx, list, paths); err != nil {
		return nil, err
	}
	if kind != ImageNetVal {
		return d, nil
	}
	s := &said{texts: classes, where: func(i int) string { return fmt.Sprintf("%s: %s", list, foreign.Name(paths[i])) }}
	if beside := filepath.Join(filepath.Dir(list), classesFile); isFile(beside) {
		d.ClassesFile = beside
	}
	labels, names, err := s.labels(ctx, d.ClassesFile, list)
	if err != nil {
		return nil, err
	}
	d.Classes = names
	for i := range d.Items {
		d.Items[i].Label = labels[i]
	}
	return d, nil
}

// listColumns reads the columns of a table of images; classes is nil if it has none.
func listColumns(list string) (paths, classes []string, err error) {
	wanted := slices.Concat(pathColumns, labelColumns, urlColumns)
	optional := make([]bool, len(wanted))
	for i := range optional {
		optional[i] = true
	}
	labelled := false
	head, err := columnsOf(list)
	if err != nil {
		return nil, nil, err
	}
	if holds := slices.Concat(pathColumns, urlColumns); !slices.ContainsFunc(head, func(name string) bool { return slices.Contains(holds, name) }) {
		return nil, nil, fmt.Errorf("%s: line 1: no column of paths, there are %s; want one of %s", list, foreign.QuoteAll(head), strings.Join(pathColumns, ", "))
	}
	err = readTableFile(list, wanted, optional, func(_ int, fields []string) error {
		first := func(columns []string) (text string) {
			for _, c := range columns {
				if text == "" {
					text = fields[slices.Index(wanted, c)]
				}
			}
			return strings.Clone(text)
		}
		path, label := first(pathColumns), first(labelColumns)
		switch {
		case path == "" && first(urlColumns) != "":
			return hinted{errors.New("an address and no path"), "download the images first, for instance with img2dataset, and give the shards that it writes"}
		case path == "":
			return errors.New("no path of an image")
		case label == "" && labelled:
			return fmt.Errorf("image %s has no label, and others have", foreign.Quote(path))
		case label != "" && !labelled && len(paths) > 0:
			return fmt.Errorf("image %s has a label, and others have none", foreign.Quote(path))
		}
		if label != "" {
			if err := oneLine(label); err != nil {
				return err
			}
			labelled, classes = true, append(classes, label)
		}
		paths = append(paths, path)
		return nil
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no rows, want one for each image", list)
	}
	return paths, classes, err
}

// listedItems makes the items of a list's paths.
func listedItems(ctx context.Context, list string, paths []string) ([]Item, error) {
	folder := filepath.Dir(list)
	items := make([]Item, len(paths))
	local := true
	for i, written := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !isLine(written) {
			return nil, fmt.Errorf("%s: image %d: %s", list, i+1, notALine)
		}
		path := filepath.FromSlash(written)
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		local = local && filepath.IsLocal(filepath.FromSlash(written))
		items[i] = Item{Path: filepath.Clean(path), Name: filepath.ToSlash(filepath.Clean(filepath.FromSlash(written))), Label: Unlabelled}
	}
	if !local {
		whole := make([]string, len(items))
		for i := range items {
			var err error
			if whole[i], err = filepath.Abs(items[i].Path); err != nil {
				return nil, err
			}
		}
		for i, name := range below(whole) {
			items[i].Name = name
		}
	}
	seen := make(map[string]int, len(items))
	missing := 0
	for i := range items {
		if before, twice := seen[items[i].Name]; twice {
			return nil, fmt.Errorf("%s: image %s is listed twice, as number %d and %d", list, foreign.Name(items[i].Name), before+1, i+1)
		}
		seen[items[i].Name] = i
		info, err := os.Stat(items[i].Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case err == nil && info.IsDir():
			return nil, fmt.Errorf("%s: %s is a folder, want a list of images", list, items[i].Path)
		}
	}
	if missing == len(items) && missing > 0 { // each would be skipped, and a collection of nothing be left
		return nil, hinted{
			fmt.Errorf("%s: none of the %s that it lists is there; the first would be %s", list, quantity.Of(missing, "image"), items[0].Path),
			"want a path on each line, or in a column of a .csv, from the list's folder",
		}
	}
	return items, nil
}
