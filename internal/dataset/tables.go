package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
)

// row is the source of an image in a Parquet file.
type row struct {
	in *parquet.Table
	of *parquet.Row
}

func (r *row) Open() (io.ReadCloser, int64, error) {
	data, err := r.in.Open(r.of)
	if errors.Is(err, parquet.ErrDamaged) {
		err = &imageprep.Damage{Err: err}
	}
	return data, r.of.Size, err
}

func (r *row) store() store { return r.in }
func (r *row) bytes() int64 { return r.of.Size }

// readTables lists the images of Parquet files, in the order of their rows. Names begin
// with that of the file, below the folder in which all of them are.
func readTables(ctx context.Context, dataPath string, paths []string, kind, labelKey string) (*Dataset, error) {
	if kind != Images && kind != ImageNetTest && kind != ImageNetVal {
		return nil, fmt.Errorf("%s: a Parquet file, want the folder of the data set", remote.Shown(dataPath))
	}
	d := &Dataset{Root: remote.Shown(dataPath)}
	s := &said{where: func(i int) string { return d.Items[i].Path }}
	cache := &parquet.Cache{}
	names := below(paths)
	open := func(ctx context.Context, i int) (*parquet.Table, error) {
		return parquet.Open(ctx, paths[i], labelKey, cache)
	}
	err := eachAhead(ctx, paths, open, func(i int, t *parquet.Table) error {
		if kind == ImageNetVal {
			if err := s.table(t, paths[0]); err != nil {
				return err
			}
		}
		labelled := s
		if kind != ImageNetVal {
			labelled = nil
		}
		return d.addRows(t, names[i], labelled)
	})
	if err != nil {
		return nil, err
	}
	if len(d.Items) == 0 {
		if len(d.Skipped) > 0 {
			return nil, noLines(d.Skipped)
		}
		return nil, fmt.Errorf("%s: no rows, want one for each image", d.Root)
	}
	if kind != ImageNetVal {
		return d, nil
	}
	if d.ClassesFile, err = classesBeside(ctx, paths[0]); err != nil {
		return nil, err
	}
	labels, classes, err := s.labels(ctx, d.ClassesFile, d.Root)
	if err != nil {
		return nil, err
	}
	d.Classes = classes
	for i := range d.Items {
		d.Items[i].Label = labels[i]
	}
	return d, nil
}

// addRows adds the images of a Parquet file of this name, with their labels unless s is nil.
func (d *Dataset) addRows(t *parquet.Table, name string, s *said) error {
	if !isLine(name) {
		return fmt.Errorf("%q: %s", t.Path, notALine)
	}
	names := rowNames(t)
	for j := range t.Rows {
		of := &t.Rows[j]
		item := Item{Path: remote.Shown(t.Path) + "!" + names[j], Name: name + "!" + names[j], Label: Unlabelled, from: &row{t, of}}
		switch {
		case of.Size == parquet.NoBytes:
			d.Skipped = append(d.Skipped, Skipped{Path: item.Path, Name: item.Name, Reason: "no bytes of an image in its row"})
			continue
		case s != nil && of.Label == "":
			d.Skipped = append(d.Skipped, Skipped{Path: item.Path, Name: item.Name, Reason: "no label in its row"})
			continue
		case s != nil:
			if err := oneLine(of.Label); err != nil {
				return fmt.Errorf("%s: label %w", item.Path, err)
			}
			s.texts = append(s.texts, of.Label)
		}
		d.Items = append(d.Items, item)
	}
	return nil
}

// table takes the names of classes that a Parquet file has, which all files share.
func (s *said) table(t *parquet.Table, first string) error {
	if !t.Labelled {
		return hinted{
			fmt.Errorf("%s: images without labels, want a column label, labels, class or cls of whole numbers or texts", t.Path),
			"{label-key} names another column; use \"{dataset} images\" for images without labels",
		}
	}
	if t.Path == first {
		for i, name := range t.Classes {
			if err := oneLine(name); err != nil {
				return fmt.Errorf("%s: class %d: %w", t.Path, i, err)
			}
		}
		s.names = t.Classes
	} else if !slices.Equal(s.names, t.Classes) {
		return fmt.Errorf("%s: it names its classes otherwise than %s", t.Path, first)
	}
	return nil
}

// rowNames names the rows of a Parquet file: by their paths if each has its own, else by
// their numbers.
func rowNames(t *parquet.Table) []string {
	names, seen := make([]string, len(t.Rows)), make(map[string]bool, len(t.Rows))
	for i := range t.Rows {
		p := path.Clean(t.Rows[i].Path)
		if t.Rows[i].Path == "" || seen[p] || !isLine(p) || !filepath.IsLocal(filepath.FromSlash(p)) {
			digits := len(fmt.Sprint(len(t.Rows) - 1))
			for i := range names {
				names[i] = fmt.Sprintf("%0*d", digits, i)
			}
			return names
		}
		names[i], seen[p] = p, true
	}
	return names
}

// isTable reports whether the file at path is a Parquet file, or is called one.
func isTable(path string) bool {
	if parquet.Named(path) || remote.Named(path) {
		return parquet.Named(path)
	}
	f, err := foreign.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	return parquet.Is(head[:n])
}

// areTables reports whether files that hold images are Parquet files. They have to be if one
// of them is.
func areTables(dataPath string, paths []string) (bool, error) {
	tables := 0
	for _, at := range paths {
		if isTable(at) {
			tables++
		}
	}
	if tables > 0 && tables < len(paths) {
		return false, fmt.Errorf("%s: %d of %s in Parquet's format, want all or none", remote.Shown(dataPath), tables, quantity.Of(len(paths), "file"))
	}
	return tables > 0, nil
}
