package dataset

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// valSplit is the validation split of ImageNet, or of what is laid out like it.
type valSplit struct {
	root    string
	folders []string // names of the classes' folders, or ids, sorted
	stray   *finder  // images and files next to the folders

	// Where all images are next to each other: the table that says which class each
	// is of, and the id of an image's class by its name without extension.
	solution string
	classOf  map[string]string
}

// openVal looks at the split in dir/val, or in dir.
func openVal(ctx context.Context, dir string) (*valSplit, error) {
	v := &valSplit{root: splitFolder(splitsFolder(dir), "val")}
	var err error
	if v.folders, v.stray, err = classFolders(ctx, v.root); err != nil {
		return nil, err
	}
	isSplit := func(name string) bool { return slices.Contains([]string{"train", "test", "val"}, name) }
	if len(v.folders) > 0 && !slices.ContainsFunc(v.folders, func(name string) bool { return !isSplit(name) }) {
		return nil, hinted{
			fmt.Errorf("%s: its folders are splits, not classes: %s", v.root, strings.Join(v.folders, ", ")),
			"the data path is the folder that holds the classes' folders, or one with them as val",
		}
	}
	if len(v.folders) > 0 || len(v.stray.images) == 0 {
		return v, nil
	}
	if v.solution, v.classOf, err = classTableOf(ctx, v.root); v.solution == "" || err != nil {
		return v, err
	}
	for _, class := range v.classOf {
		v.folders = append(v.folders, class)
	}
	slices.Sort(v.folders)
	v.folders = slices.Compact(v.folders)
	return v, nil
}

// classFolders returns the names of the folders in root, sorted, and the files next to
// them.
func classFolders(ctx context.Context, root string) (folders []string, stray *finder, err error) {
	stray = &finder{ctx: ctx}
	err = stray.entries(root, func(e fs.DirEntry) error {
		path := join(root, e.Name())
		switch {
		case e.Name() == devkitName && groundTruthFile(path) != "": // it holds no images
		case e.IsDir() || linksToFolder(e, path):
			folders = append(folders, e.Name())
		case isImage(e.Name()):
			stray.images = append(stray.images, path)
		default:
			stray.files.add(e.Name())
		}
		return nil
	})
	slices.Sort(folders)
	return folders, stray, err
}

// solutionName is the table that comes with Kaggle's download, of the form
//
//	ImageId,PredictionString
//	ILSVRC2012_val_00000001,n01751748 111 108 441 193
//
// with a class and a box for each object of the image, all of the same class.
const solutionName = "LOC_val_solution.csv"

// solutionFile returns the path of that table, empty if there is none: it is next to
// the images or in one of the folders above, as in the download, where images are in
// ILSVRC/Data/CLS-LOC/val.
func solutionFile(root string) string {
	const above = 4
	dir := root
	for range above + 1 {
		if path := filepath.Join(dir, solutionName); isFile(path) {
			return path
		}
		dir = filepath.Join(dir, "..")
	}
	return ""
}

// readSolution reads the class of each image.
func readSolution(ctx context.Context, path string) (map[string]string, error) {
	table, err := openText(ctx, path)
	if err != nil {
		return nil, err
	}
	classOf, seen := map[string]string{}, map[string]int{}
	err = table.read([]string{"ImageId", "PredictionString"}, []bool{false, false}, func(line int, fields []string) error {
		image, objects := strings.Clone(fields[0]), strings.Fields(fields[1])
		if err := onlyRow(seen, image, line); err != nil {
			return err
		}
		const perObject = 5 // a class and a box
		if len(objects) == 0 || len(objects)%perObject != 0 {
			return fmt.Errorf("image %s: %s, want a class and four numbers for each object", foreign.Quote(image), foreign.Quote(fields[1]))
		}
		for i := 0; i < len(objects); i += perObject {
			if objects[i] != objects[0] {
				return fmt.Errorf("image %s: objects of the classes %s and %s, want one class", foreign.Quote(image), foreign.Quote(objects[0]), foreign.Quote(objects[i]))
			}
		}
		classOf[image] = strings.Clone(objects[0])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return classOf, nil
}

// label fills in the images of a split whose classes a table has. Images without a row
// are skipped.
func (d *Dataset) label(v *valSplit, labels map[string]int) {
	f := &finder{images: v.stray.images, files: v.stray.files}
	for _, item := range f.items(v.root, Unlabelled) {
		class, ok := v.classOf[strings.TrimSuffix(item.Name, filepath.Ext(item.Name))]
		if !ok {
			f.skip(item.Path, "no row in "+filepath.Base(v.solution))
			continue
		}
		item.Label = labels[class]
		d.Items = append(d.Items, item)
	}
	d.Skipped, d.Passed = f.named(v.root), f.files
}
