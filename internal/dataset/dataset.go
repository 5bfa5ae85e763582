// Package dataset lists the images of a data set in a fixed order, with their
// labels where it has any.
//
// A Dataset is a list of items, each an image's file, its name and its label.
// The name is the path below the folder that holds the images, with slashes;
// it is what artefacts write down and what labels are joined by. A kind is a
// layout of folders: which images belong, in which order, what their
// labels are. Nothing here opens an image.
//
// Images are told by their extension, in small or capital letters; those that
// the program cannot decode (.heic, .avif, .jp2 and the like) are listed too,
// so that they are reported and not overlooked. Files and folders whose name
// begins with a dot are passed over, other files are counted. Links are
// followed, but not to a folder that holds the link. Order is that of the names'
// bytes, which is Python's order of strings.
//
// The images may also be members of archives (internal/archive). Such an image's name
// is that of its archive, an exclamation mark, and the member's name: photos.tar!a/b.jpg.
// Images, and folders in archives, are told in the same way, and the order is that of the
// members' names within each archive. Or they are the rows of Parquet files
// (internal/parquet), in their order, with their paths or numbers for names:
// train.parquet!00012.
//
// Entries that cannot be listed are not an error. They are in Dataset.Skipped,
// each with a reason, for the caller to report.
package dataset

import (
	"path/filepath"
	"strings"
)

// A Dataset is a list of images.
type Dataset struct {
	Kind     string
	LabelKey string // the name of labels that was given; empty: one of the usual
	Root     string // the folder that names are relative to, or the archives as they were given
	Items    []Item
	Classes  []string // names of the classes; none if there are no labels

	// ClassesFile is the classes.txt that gave the classes' order and names, empty if
	// there was none.
	ClassesFile string

	// Skipped are entries of the folder that are not among the items, in the
	// order of their paths: subfolders that cannot be read or are nested too
	// deep, images whose name is not one line of UTF-8, and images outside
	// the class folders.
	Skipped []Skipped
	Passed  Passed
	Absent  *Absent // nil unless images are not there that a list names, which is on disk and no kept one

	// Captions says that the labels are those of files .txt that look like captions: there
	// are more than half as many classes as images.
	Captions bool

	listed  *listedSizes // of a kept list
	watcher Watcher      // of what Sizes asks for; may be nil
}

// listedSizes are the sizes that the images of a kept list had when they were listed.
type listedSizes struct {
	path  string
	sizes []int64
}

// Absent are the images of a list whose files are not there. They are items nevertheless, which
// cannot be read.
type Absent struct {
	List   string // its path
	Images int
	First  int    // its place in the list, from 1
	Path   string // of the first, as it is written
}

// Skipped is a folder or an image that was left out.
type Skipped struct {
	Path   string // as the system writes it, whatever bytes that are
	Name   string // below Root, with slashes; quoted if it is not a line of UTF-8
	Reason string // without the path
}

// Passed counts the files of a data set's folder that are not taken for images,
// hidden ones aside.
type Passed struct {
	Files   int
	Bare    int // of these, those whose name has no extension: they may be images
	Folders int // of which no images are taken
	Inside  int // images in these folders

	// Split is the folder, or that of archives, whose images alone were looked for; empty
	// if it is the one that was given, or of archives any. Beside counts the images that
	// are next to it.
	Split  string
	Beside int
}

func (p *Passed) add(name string) {
	p.Files++
	if filepath.Ext(name) == "" {
		p.Bare++
	}
}

// The kinds.
const (
	ImageNetTest = "imagenet_test"
	ImageNetVal  = "imagenet_val"
	Images       = "images"
	Cars         = "cars"
	CarsTest     = "cars_test"
)

// Stride returns the data set of every k-th image, from the first on. It
// panics if k is not positive.
func (d *Dataset) Stride(k int) *Dataset {
	if k < 1 {
		panic("dataset: stride below 1")
	}
	strided := *d
	strided.Items = make([]Item, 0, (len(d.Items)+k-1)/k)
	for i := 0; i < len(d.Items); i += k {
		strided.Items = append(strided.Items, d.Items[i])
	}
	strided.listed = nil // of all images
	return &strided
}

// Ends are the places of the images, but the first, before which another archive or Parquet file
// begins; none where all are in one, or one of them is in none.
func (d *Dataset) Ends() []int {
	var ends []int
	for i := range d.Items {
		if d.Items[i].from == nil || d.Items[i].IsFar() {
			return nil
		}
		if i > 0 && d.Items[i].from.store() != d.Items[i-1].from.store() {
			ends = append(ends, i)
		}
	}
	return ends
}

// Names returns the names of the images, in their order.
func (d *Dataset) Names() []string {
	names := make([]string, len(d.Items))
	for i, item := range d.Items {
		names[i] = item.Name
	}
	return names
}

// PlainName is the name of a class without what folders and tables write otherwise:
// capital letters, underscores for blanks, blanks around it.
func PlainName(name string) string {
	return strings.ToLower(strings.TrimSpace(strings.ReplaceAll(name, "_", " ")))
}

// ListingEnd is how the names of kept lists end.
const ListingEnd = ".listing"
