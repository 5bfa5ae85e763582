package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
)

// This file reads lists of images: a .txt with a path on each line, or a .csv with a
// column of paths and perhaps one of labels. Paths start at the list's folder, which may be
// at an address: then each image is at one of its own. The order
// is that of the list. Names are the paths as they are written, or, where one of them
// leads out of the list's folder, from the deepest folder that all images are in.

var (
	pathColumns  = []string{"path", "filepath", "file_path", "file", "filename", "file_name", "image", "image_path"}
	labelColumns = []string{"label", "class", "cls"}
	urlColumns   = []string{"url", "URL", "image_url"}
)

// IsList reports whether a file, or what is at an address, is called a list of images.
func IsList(path string) bool {
	ext := strings.ToLower(filepath.Ext(remote.Shown(path)))
	return (ext == ".txt" || ext == ".csv") && (remote.Named(path) || isFile(path))
}

// IsListing reports whether a file is called a kept list of images.
func IsListing(path string) bool {
	return strings.EqualFold(filepath.Ext(path), ListingEnd) && isFile(path)
}

// downloadFirst is the advice where a list has addresses of images.
const downloadFirst = "download the images first, for instance with img2dataset, and give the shards that it writes"

// readList lists the images of a list.
func readList(ctx context.Context, list, kind, labelKey string) (*Dataset, error) {
	l, err := openLines(ctx, list, kind, labelKey)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Root: l.shown(), Items: make([]Item, len(l.paths)), Absent: l.absent}
	for i := range d.Items {
		d.Items[i] = l.item(ctx, i)
	}
	if kind != ImageNetVal {
		return d, nil
	}
	s := &said{texts: l.classes, where: func(i int) string { return fmt.Sprintf("%s: %s", d.Root, foreign.Name(l.paths[i])) }}
	if d.ClassesFile, err = classesBeside(ctx, l.list); err != nil {
		return nil, err
	}
	labels, names, err := s.labels(ctx, d.ClassesFile, d.Root)
	if err != nil {
		return nil, err
	}
	d.Classes = names
	for i := range d.Items {
		d.Items[i].Label = labels[i]
	}
	return d, nil
}

// lines are the images of a list.
type lines struct {
	list    string   // its path, or its address with what is secret in it
	paths   []string // as they are written
	far     []string // the addresses of the images; nil of a list on disk
	names   []string // of the images; those that are written so share their memory
	classes []string // as they are written; nil if the list has none
	absent  *Absent
}

// shown is the list in messages.
func (l *lines) shown() string { return remote.Shown(l.list) }

// openLines reads a list, at least one image of which must be there.
func openLines(ctx context.Context, list, kind, labelKey string) (l *lines, err error) {
	l = &lines{list: filepath.Clean(list)}
	if remote.Named(list) {
		if l.list, err = listAddress(list); err != nil {
			return nil, err
		}
	}
	if kind != Images && kind != ImageNetTest && kind != ImageNetVal {
		return nil, fmt.Errorf("%s: a list of images, want the folder of the data set", l.shown())
	}
	if strings.EqualFold(filepath.Ext(l.shown()), ".csv") {
		err = l.columns(ctx, labelKey)
	} else {
		l.paths, err = readLines(ctx, l.list)
	}
	if err != nil {
		return nil, err
	}
	packed := func(path string) bool { return archive.Named(path) || parquet.Named(path) }
	if i := slices.IndexFunc(l.paths, packed); i >= 0 {
		return nil, hinted{
			fmt.Errorf("%s: image %d: %s: an archive, want the path of an image", l.shown(), i+1, foreign.Name(remote.Shown(l.paths[i]))),
			"archives are not listed but named by a pattern with braces, as in \"shards/{000..099}.tar\"",
		}
	}
	if i := slices.IndexFunc(l.paths, remote.Named); i >= 0 {
		return nil, hinted{
			fmt.Errorf("%s: image %d: %s: an address, want a path", l.shown(), i+1, foreign.Name(remote.Shown(l.paths[i]))), downloadFirst,
		}
	}
	if kind == ImageNetVal && l.classes == nil {
		return nil, hinted{
			fmt.Errorf("%s: a list without labels", l.shown()),
			"give a .csv with a column " + strings.Join(labelColumns, ", ") + ", or another that {label-key} names, or use \"{dataset} images\" for images without labels",
		}
	}
	if err := l.name(ctx); err != nil {
		return nil, err
	}
	if err := l.distinct(); err != nil {
		return nil, err
	}
	return l, l.there(ctx)
}

// columns reads the columns of a table of images; there are no classes if it has none.
func (l *lines) columns(ctx context.Context, labelKey string) error {
	labelColumns := labelColumns
	if labelKey != "" {
		labelColumns = []string{labelKey}
	}
	wanted := slices.Concat(pathColumns, labelColumns, urlColumns)
	optional := make([]bool, len(wanted))
	for i := range optional {
		optional[i] = true
	}
	labelled := false
	table, err := openText(ctx, l.list)
	if err != nil {
		return err
	}
	head, err := table.columns()
	if err != nil {
		return err
	}
	if holds := slices.Concat(pathColumns, urlColumns); !slices.ContainsFunc(head, func(name string) bool { return slices.Contains(holds, name) }) {
		return fmt.Errorf("%s: line 1: no column of paths, there are %s; want one of %s", l.shown(), foreign.QuoteAll(head), strings.Join(pathColumns, ", "))
	}
	if labelKey != "" && !slices.Contains(head, labelKey) {
		return fmt.Errorf("%s: line 1: no column %s of labels, there are %s", l.shown(), foreign.Quote(labelKey), foreign.QuoteAll(head))
	}
	err = table.read(wanted, optional, func(_ int, fields []string) error {
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
			return hinted{errors.New("an address and no path"), downloadFirst}
		case path == "":
			return errors.New("no path of an image")
		case label == "" && labelled:
			return fmt.Errorf("image %s has no label, and others have", foreign.Quote(path))
		case label != "" && !labelled && len(l.paths) > 0:
			return fmt.Errorf("image %s has a label, and others have none", foreign.Quote(path))
		}
		if label != "" {
			if err := oneLine(label); err != nil {
				return err
			}
			labelled, l.classes = true, append(l.classes, label)
		}
		l.paths = append(l.paths, path)
		return nil
	})
	if err == nil && len(l.paths) == 0 {
		err = fmt.Errorf("%s: no rows, want one for each image", l.shown())
	}
	return err
}

// path is where an image on disk is.
func (l *lines) path(i int) string {
	path := filepath.FromSlash(l.paths[i])
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(l.list), path)
}

// item makes the item of an image, without its label.
func (l *lines) item(ctx context.Context, i int) Item {
	if l.far != nil {
		return singleItem(ctx, l.far[i], l.names[i], Unlabelled)
	}
	return Item{Path: l.path(i), Name: l.names[i], Label: Unlabelled}
}

// name names the images.
func (l *lines) name(ctx context.Context) error {
	l.names = make([]string, len(l.paths))
	if remote.Named(l.list) {
		return l.nameFar(ctx)
	}
	local := true
	for i, written := range l.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !isLine(written) {
			return fmt.Errorf("%s: image %d: %s", l.list, i+1, notALine)
		}
		local = local && filepath.IsLocal(filepath.FromSlash(written))
		l.names[i] = filepath.ToSlash(filepath.Clean(filepath.FromSlash(written)))
	}
	if local {
		return nil
	}
	for i := range l.names {
		var err error
		if l.names[i], err = filepath.Abs(l.path(i)); err != nil {
			return err
		}
	}
	l.names = below(l.names)
	return nil
}

// distinct returns an error about the first image that is listed again.
func (l *lines) distinct() error {
	order := make([]int, len(l.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(strings.Compare(l.names[a], l.names[b]), a-b) })
	first, again := 0, len(order)
	for k := 1; k < len(order); k++ {
		if before, i := order[k-1], order[k]; l.names[before] == l.names[i] && i < again {
			first, again = before, i
		}
	}
	if again == len(order) {
		return nil
	}
	return fmt.Errorf("%s: image %s is listed twice, as number %d and %d", l.shown(), foreign.Name(l.names[again]), first+1, again+1)
}

// there returns an error if no image is there, or one is a folder.
func (l *lines) there(ctx context.Context) error {
	if l.far != nil {
		return l.thereFar(ctx)
	}
	missing, first := 0, 0
	for i := range l.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := os.Stat(l.path(i))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if missing++; missing == 1 {
				first = i
			}
		case err == nil && info.IsDir():
			return fmt.Errorf("%s: %s is a folder, want a list of images", l.list, l.path(i))
		}
	}
	if missing == len(l.paths) && missing > 0 { // each would be skipped, and a collection of nothing be left
		return hinted{
			fmt.Errorf("%s: none of the %s that it lists is there; the first would be %s", l.list, quantity.Of(missing, "image"), l.path(0)),
			"want a path on each line, or in a column of a .csv, from the list's folder",
		}
	}
	if missing > 0 {
		l.absent = &Absent{List: l.list, Images: missing, First: first + 1, Path: l.paths[first]}
	}
	return nil
}
