package dataset

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// joinSpelled is Join by names as they are spelled.
func (l *Labels) joinSpelled(images []string) ([]int, error) {
	joined, taken := make([]int, len(images)), make([]string, len(l.Known))
	exact, named := make([]bool, len(l.Known)), make(map[string]int, len(l.Known))
	for i, k := range l.Known {
		named[k.Image] = i
	}
	take := func(image, row int) error {
		if taken[row] != "" {
			return fmt.Errorf("%s: the row of %s is that of two images, %s and %s", l.Path, foreign.Name(l.Known[row].Image), foreign.Name(taken[row]), foreign.Name(images[image]))
		}
		joined[image], taken[row] = row, images[image]
		return nil
	}
	for i, name := range images {
		joined[i] = -1
		if row, ok := named[name]; ok {
			if err := take(i, row); err != nil {
				return nil, err
			}
			exact[row] = true
		}
	}
	var inner []int // rows whose name is that of an image in its archive
	for i, name := range images {
		row, ok := named[inArchive(name)]
		if !ok || joined[i] >= 0 || exact[row] {
			continue
		}
		if err := take(i, row); err != nil {
			return nil, err
		}
		inner = append(inner, row)
	}
	for _, row := range inner {
		exact[row] = true
	}
	if !slices.Contains(joined, -1) {
		return joined, nil
	}
	byPath := newPaths(l.Known)
	for i, name := range images {
		if joined[i] >= 0 {
			continue
		}
		rows := byPath.nearest(name)
		free := slices.IndexFunc(rows, func(row int) bool { return !exact[row] })
		switch {
		case free < 0:
		case len(rows) > 1:
			return nil, fmt.Errorf("%s: no row for image %s; several rows are for a file of that name in other folders, such as %s and %s, want the image's name with its folders",
				l.Path, foreign.Name(name), foreign.Name(l.Known[rows[0]].Image), foreign.Name(l.Known[rows[1]].Image))
		default:
			if err := take(i, rows[0]); err != nil {
				return nil, err
			}
		}
	}
	return joined, nil
}

// Unused is how many rows are of none of the images, where joined is what Join returned.
func (l *Labels) Unused(joined []int) int {
	n := len(l.Known)
	for _, row := range joined {
		if row >= 0 {
			n-- // no row is of two images
		}
	}
	return n
}

// NoneOf is the error that no row is of one of the images.
func (l *Labels) NoneOf(images []string) error {
	joined := slices.Repeat([]int{-1}, len(images))
	row, image, ok := l.apart(images, joined)
	if !ok {
		row, image = l.Known[0].Image, images[0]
	}
	err := fmt.Errorf("%s: none of its %s is of one of the %s: it has %s, they are such as %s",
		l.Path, quantity.Of(len(l.Known), "row"), quantity.Of(len(images), "image"), foreign.Name(row), foreign.Name(image))
	return l.HintFolders(err, images, joined)
}

// HintFolders gives err, that rows are of no image, a hint if a row that is left and an image
// that is left, where joined is what Join returned, differ in their folders only.
func (l *Labels) HintFolders(err error, images []string, joined []int) error {
	row, image, ok := l.apart(images, joined)
	switch {
	case !ok:
		return err
	case composed(row) == composed(image):
		return hinted{err, fmt.Sprintf("%s of the table and %s of an image differ only in their Unicode form, and another name is the same but for that: write names in the table as the files have them", foreign.Name(row), foreign.Name(image))}
	}
	return hinted{err, fmt.Sprintf("the folders of a row must be those of its image, and %s is not %s; if they are one image, write its name so in the table, or the file name alone",
		foreign.Name(row), foreign.Name(image))}
}

// apart returns the names of a row without an image and of an image without a row whose files
// have the same name.
func (l *Labels) apart(images []string, joined []int) (row, image string, ok bool) {
	taken, files := make([]bool, len(l.Known)), map[string]string{}
	for i, at := range joined {
		if at >= 0 {
			taken[at] = true
		} else if base := composed(path.Base(inArchive(images[i]))); files[base] == "" {
			files[base] = images[i]
		}
	}
	for i, k := range l.Known {
		if image := files[composed(path.Base(inArchive(k.Image)))]; image != "" && !taken[i] {
			return k.Image, image, true
		}
	}
	return "", "", false
}

// paths finds rows by the ends of their paths. What is within an archive is compared with
// folders as if it lay in one; names within two archives, with the paths of the archives.
type paths struct {
	all, folders endings // of all rows within their archives; of rows without one
	archives     endings // of rows with one, whole
}

func newPaths(known []Labelled) *paths {
	p := &paths{}
	for row, k := range known {
		within := ending{plainPath(inArchive(k.Image)), row}
		p.all = append(p.all, within)
		if whole, ok := archived(k.Image); ok {
			p.archives = append(p.archives, ending{whole, row})
		} else {
			p.folders = append(p.folders, within)
		}
	}
	for _, e := range []endings{p.all, p.folders, p.archives} {
		slices.SortFunc(e, func(a, b ending) int { return cmp.Or(compareEnds(a.path, b.path), a.row-b.row) })
	}
	return p
}

// nearest returns the rows whose paths have most in common with that of an image.
func (p *paths) nearest(image string) []int {
	whole, ok := archived(image)
	if !ok {
		return p.all.nearest(plainPath(image))
	}
	if rows := p.archives.nearest(whole); rows != nil {
		return rows
	}
	return p.folders.nearest(plainPath(inArchive(image)))
}

// archived returns the path of an image in an archive, as if the archive were a folder.
func archived(name string) (string, bool) {
	within := inArchive(name)
	if len(within) == len(name) {
		return "", false
	}
	return plainPath(name[:len(name)-len(within)-1] + "/" + within), true
}

// plainPath is a path without what says only where it begins.
func plainPath(name string) string {
	name = strings.TrimPrefix(path.Clean(name), "/")
	for strings.HasPrefix(name, "../") {
		name = name[len("../"):]
	}
	return name
}

// An ending is the path of a row.
type ending struct {
	path string
	row  int
}

// endings are in the order of their last bytes, so that those with the same end are
// neighbours.
type endings []ending

// nearest returns the rows of name, or else those that end in it, or else those of most
// folders that it ends in.
func (e endings) nearest(name string) []int {
	if rows := e.with(name, compareEnds); rows != nil {
		return rows
	}
	if rows := e.with("/"+name, func(path, end string) int { return compareEnds(path[max(len(path)-len(end), 0):], end) }); rows != nil {
		return rows
	}
	for {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return nil
		}
		if rows := e.with(rest, compareEnds); rows != nil {
			return rows
		}
		name = rest
	}
}

// with returns the rows whose path compares as equal to end.
func (e endings) with(end string, compare func(path, end string) int) []int {
	lo := sort.Search(len(e), func(i int) bool { return compare(e[i].path, end) >= 0 })
	hi := lo + sort.Search(len(e)-lo, func(i int) bool { return compare(e[lo+i].path, end) > 0 })
	var rows []int
	for _, found := range e[lo:hi] {
		rows = append(rows, found.row)
	}
	return rows
}

// compareEnds compares texts from their last bytes on.
func compareEnds(a, b string) int {
	for i := 1; i <= min(len(a), len(b)); i++ {
		if x, y := a[len(a)-i], b[len(b)-i]; x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}
