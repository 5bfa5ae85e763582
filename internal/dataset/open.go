package dataset

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/usage"
)

var kinds = []struct {
	name   string
	read   func(ctx context.Context, dir string) (*Dataset, error)
	packed func(p *pack) (*Dataset, error) // the same of archives
	wanted func(base string) bool          // of members that are no images; nil for none
}{
	{ImageNetTest, readImageNetTest, (*pack).imageNetTest, nil},
	{ImageNetVal, readImageNetVal, (*pack).imageNetVal, isText},
	{Images, readImages, (*pack).images, nil},
	{
		Cars, func(ctx context.Context, dir string) (*Dataset, error) { return carsIn(ctx, dir).cars() },
		func(p *pack) (*Dataset, error) { return p.cars().cars() }, isMAT,
	},
	{
		CarsTest, func(ctx context.Context, dir string) (*Dataset, error) { return carsIn(ctx, dir).carsTest() },
		func(p *pack) (*Dataset, error) { return p.cars().carsTest() }, isMAT,
	},
}

// Kinds returns the names of all kinds.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// Options say which data set to read.
type Options struct {
	Kind     string
	LabelKey string // of ImageNetVal: the key of a sample's JSON, or the column of a table, that has the label; empty: one of the usual names
	Path     string // a folder, an archive or a Parquet file, several by a pattern with braces, or a list of images, kept or not; archives, Parquet files and lists that are not kept may be at addresses
}

// Shown is the path without what is secret in an address.
func (o Options) Shown() string { return remote.Shown(o.Path) }

// checkKey returns an error where a name of labels is given of images that have no labels by a name.
func (o Options) checkKey() error {
	if o.LabelKey != "" && o.Kind != ImageNetVal {
		return usage.Errorf("{label-key} %s: {dataset} %s has no labels by such a name, want {dataset} %s", o.LabelKey, o.Kind, ImageNetVal)
	}
	return nil
}

// checkFolderKey returns an error where a name of labels is given of a folder.
func (o Options) checkFolderKey() error {
	if o.LabelKey == "" {
		return nil
	}
	return unnamed(o.Shown(), o.LabelKey, "the classes of a folder are its folders")
}

// WithKeyOf are the options with the name of labels that holds where images of a kind were taken with
// key: the one that is given, and else key if the images are of this kind, unless the path is of a
// folder, whose labels are its folders, or of a kept list, which has its labels.
func (o Options) WithKeyOf(kind, key string) Options {
	info, err := os.Stat(o.Path)
	if folder := err == nil && info.IsDir(); o.LabelKey == "" && o.Kind == kind && !folder && !IsListing(o.Path) {
		o.LabelKey = key
	}
	return o
}

// Takes returns the folder whose images a data set in a folder takes, whatever they are called, and
// whether also those in folders within. It is empty of kinds that name their images.
func (o Options) Takes() (folder string, within bool) {
	switch o.Kind {
	case Images:
		return o.Path, true
	case ImageNetVal: // each folder within is a class
		return splitFolder(splitsFolder(filepath.Clean(o.Path)), "val"), true
	case ImageNetTest:
		return splitFolder(splitsFolder(filepath.Clean(o.Path)), "test"), false
	}
	return "", false
}

// Open lists the images of a data set, at least one. Errors may have a method
// Hint that says what to do.
func Open(ctx context.Context, o Options) (*Dataset, error) {
	for _, k := range kinds {
		if k.name != o.Kind {
			continue
		}
		if err := o.checkKey(); err != nil {
			return nil, err
		}
		archives, err := archivesAt(o.Path)
		if err != nil {
			return nil, err
		}
		tables, err := areTables(o.Path, archives)
		if err != nil {
			return nil, err
		}
		var d *Dataset
		switch {
		case tables:
			d, err = readTables(ctx, o.Path, archives, k.name, o.LabelKey)
		case IsListing(o.Path):
			d, err = readListing(ctx, o)
		case archives == nil && IsList(o.Path):
			d, err = readList(ctx, o.Path, k.name, o.LabelKey)
		case archives == nil:
			if err := checkFolder(o.Path); err != nil {
				return nil, err
			}
			if err := o.checkFolderKey(); err != nil {
				return nil, err
			}
			d, err = k.read(ctx, filepath.Clean(o.Path))
		default:
			var p *pack
			if p, err = openPack(ctx, o.Path, archives, k.wanted); err == nil {
				p.labelKey = o.LabelKey
				d, err = k.packed(p)
			}
		}
		if err != nil {
			return nil, notReplaced(archives, err)
		}
		if len(d.Items) == 0 {
			return nil, noLines(d.Skipped)
		}
		d.Kind, d.watcher = k.name, watcherOf(ctx, true)
		if o.LabelKey != "" {
			d.LabelKey = o.LabelKey
		}
		return d, nil
	}
	return nil, fmt.Errorf("dataset %q, want one of %s", o.Kind, strings.Join(Kinds(), ", "))
}

// There returns an error unless there is something at a data path, or it is an address or a
// pattern, which Open looks at.
func There(dataPath string) error {
	at, err := archivesAt(dataPath)
	if err != nil || at != nil || remote.Named(dataPath) {
		return err
	}
	_, err = os.Stat(dataPath)
	return err
}

// Classes are the classes of a data set, in the order of its labels.
type Classes struct {
	Names []string
	Path  string // the file or folder that names them
	Table bool   // Path is a list of names; else the names are those of folders, perhaps ids
}

// ClassesOf returns the classes of a data set without listing its images; none if
// images of its kind have no labels.
func ClassesOf(ctx context.Context, o Options) (*Classes, error) {
	dir := filepath.Clean(o.Path)
	archives, err := archivesAt(o.Path)
	if err != nil {
		return nil, err
	}
	if o.Kind == ImageNetVal && (archives != nil || IsList(o.Path)) {
		d, err := Open(ctx, o)
		if err != nil {
			return nil, err
		}
		return &Classes{Names: d.Classes, Path: cmp.Or(d.ClassesFile, d.Root), Table: d.ClassesFile != ""}, nil
	}
	if err := o.checkKey(); err != nil {
		return nil, err
	}
	if IsListing(o.Path) {
		l, err := OpenListing(o)
		if err != nil {
			return nil, err
		}
		if l.Data.Classes == nil {
			return nil, l.Close()
		}
		return &Classes{Names: l.Data.Classes, Path: cmp.Or(l.Data.ClassesFile, l.Data.Root), Table: l.Data.ClassesFile != "" || o.Kind == Cars}, l.Close()
	}
	if err := o.checkFolderKey(); err != nil {
		return nil, err
	}
	switch o.Kind {
	case ImageNetVal:
		v, err := openVal(ctx, dir)
		if err != nil {
			return nil, err
		}
		c := &Classes{Path: cmp.Or(v.solution, v.root)}
		table := classTable(dir, v.root)
		if table != "" {
			c.Path, c.Table = table, true
		}
		_, c.Names, err = classLabels(ctx, table, v.root, v.folders)
		return c, err
	case Cars:
		in, err := openCars(ctx, o.Path)
		if err != nil {
			return nil, err
		}
		c := &Classes{Path: in.of(in.classes), Table: true}
		c.Names, err = in.classNames()
		return c, err
	}
	return nil, nil
}
