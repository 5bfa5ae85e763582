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
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// splitFolder returns the folder of a split below dir, or dir if it has none.
func splitFolder(dir, split string) string {
	below := join(dir, split)
	if info, err := os.Stat(below); err == nil && info.IsDir() {
		return below
	}
	return dir
}

// splitsFolder returns the folder of ImageNet's splits: dir, or the folder below it
// where Kaggle's download has them.
func splitsFolder(dir string) string {
	return splitFolder(dir, filepath.FromSlash("ILSVRC/Data/CLS-LOC"))
}

// splitOf adds that only the images of root, a folder below dir, are looked for.
func (p *Passed) splitOf(ctx context.Context, dir, root string) error {
	if root == dir {
		return nil
	}
	p.Split, p.Beside = root, 0
	for _, above := range slices.Compact([]string{dir, splitsFolder(dir)}) {
		if above == root {
			continue // Kaggle's folder without a split
		}
		_, beside, err := classFolders(ctx, above)
		if errors.Is(err, fs.ErrPermission) {
			continue // it can be entered, but not listed
		}
		if err != nil {
			return err
		}
		p.Beside += len(beside.images)
	}
	return nil
}

// inside counts the images in the folders of root, at any depth, of which f, which has not
// entered them, took none.
func (f *finder) inside(root string) (int, error) {
	if f.folders == 0 {
		return 0, nil
	}
	all := &finder{ctx: f.ctx, deep: true}
	if err := all.find(root); err != nil {
		return 0, err
	}
	return len(all.images) - len(f.images), nil
}

// readImageNetTest lists the images that lie in dir/test, or in dir, in name
// order. They have no labels.
func readImageNetTest(ctx context.Context, dir string) (*Dataset, error) {
	root := splitFolder(splitsFolder(dir), "test")
	f := &finder{ctx: ctx}
	if err := f.find(root); err != nil {
		return nil, err
	}
	inside, errInside := f.inside(root)
	if errInside != nil {
		return nil, errInside
	}
	d, err := f.unlabelled(root)
	if err != nil && inside > 0 {
		err = fmt.Errorf("%w, which hold%s %s", err, quantity.Ending(f.folders), quantity.Of(inside, "image"))
	}
	if err != nil && f.folders > 0 {
		return nil, hinted{err, `for images in folders, use "{dataset} images", or "{dataset} imagenet_val" where each class has its folder`}
	}
	if err != nil {
		return nil, err
	}
	d.Passed.Folders, d.Passed.Inside = f.folders, inside
	return d, d.Passed.splitOf(ctx, dir, root)
}

// readImageNetVal lists the images of dir/val, or of dir: one folder a class,
// images at any depth within. The order is by folder, then by name. Where there are
// only images, a table says which class each is of; see classTableOf.
//
// Labels are the classes' places in sorted order, as in torchvision's
// ImageFolder, but as numbers where all folders are named by numbers; with all of
// ImageNet's folders, named by WordNet id, these are ImageNet's indices, but not with
// some of them. A file classes.txt with a line "folder<TAB>name" per class overrides
// this: it gives the order and the names. It is next to val, or in dir if there is no
// dir/val. It must list every folder, and may list others.
func readImageNetVal(ctx context.Context, dir string) (*Dataset, error) {
	v, err := openVal(ctx, dir)
	if err != nil {
		return nil, err
	}
	root, folders, stray := v.root, v.folders, v.stray
	if err := stray.files.splitOf(ctx, dir, root); err != nil {
		return nil, err
	}
	table := classTable(dir, root)
	labels, names, err := classLabels(ctx, table, root, folders)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Root: root, Classes: names, ClassesFile: table}
	if v.solution != "" {
		d.label(v, labels)
		return d, nil
	}
	f := &finder{ctx: ctx, deep: true, files: stray.files, folders: len(folders)}
	for _, folder := range folders {
		f.images = f.images[:0]
		path := join(root, folder)
		err := errLedBack
		if !leadsUp(path) {
			err = f.find(path)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			f.skip(path, reason(err, path))
		}
		d.Items = append(d.Items, f.items(root, labels[folder])...)
	}
	if len(d.Items) > 0 || len(f.skipped) > 0 {
		for _, path := range stray.images {
			f.skip(path, "not in a class folder")
		}
		d.Skipped, d.Passed = f.named(root), f.files
		return d, nil
	}
	if len(stray.images) > 0 {
		return nil, hinted{
			fmt.Errorf("%s: %s, but none in a folder of its class", root, quantity.Of(len(stray.images), "image")),
			"move each image into the folder of its class, " + howToLabel("next to them"),
		}
	}
	return nil, f.noImages(root)
}

const classesFile = "classes.txt"

// classTable returns the path of the file that lists the classes of the images in root,
// empty if there is none.
func classTable(dir, root string) string {
	tables := []string{join(dir, classesFile), join(splitsFolder(dir), classesFile)}
	if root == dir && filepath.Base(dir) == "val" {
		tables = append(tables, join(filepath.Dir(dir), classesFile))
	}
	for _, table := range tables {
		if _, err := os.Stat(table); !errors.Is(err, fs.ErrNotExist) {
			return table
		}
	}
	return ""
}

// classLabels returns the label of each folder and the names of all classes, those of
// a table if there is one.
func classLabels(ctx context.Context, table, root string, folders []string) (labels map[string]int, names []string, err error) {
	if table == "" {
		labels = make(map[string]int, len(folders))
		for i, folder := range sortClasses(folders) {
			labels[folder] = i
			names = append(names, printable(folder))
		}
		return labels, names, nil
	}
	lines, err := readLines(ctx, table)
	if err != nil {
		return nil, nil, err
	}
	labels, names, err = parseClasses(lines)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", table, err)
	}
	for _, folder := range folders {
		if _, ok := labels[folder]; !ok {
			return nil, nil, fmt.Errorf("%s: folder %s is not listed in %s", root, foreign.Name(folder), table)
		}
	}
	return labels, names, nil
}

// parseClasses reads the lines of a classes.txt: a folder, a tab, and the name
// of the class. A folder's label is its place.
func parseClasses(lines []string) (labels map[string]int, names []string, err error) {
	labels = make(map[string]int, len(lines))
	for i, line := range lines {
		folder, name, ok := strings.Cut(line, "\t")
		if !ok || folder == "" || name == "" {
			return nil, nil, fmt.Errorf("line %d: %s, want a folder, a tab and the name of the class", i+1, foreign.Quote(line))
		}
		if first, ok := labels[folder]; ok {
			return nil, nil, fmt.Errorf("line %d: folder %s is listed already, in line %d", i+1, foreign.Quote(folder), first+1)
		}
		labels[folder] = i
		names = append(names, name)
	}
	return labels, names, nil
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
