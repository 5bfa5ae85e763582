package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
)

// decoded are the extensions of images that the program decodes, others those
// of images that it will name and skip.
var (
	decoded = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
	others  = []string{".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxl"}
)

// IsImage reports whether a file is listed as an image, which its extension decides.
func IsImage(path string) bool { return isImage(path) }

func isImage(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return slices.Contains(decoded, ext) || slices.Contains(others, ext)
}

const (
	batch    = 1024 // directory entries read at a time
	maxDepth = 64   // folders within folders
)

// finder lists the images of folders.
type finder struct {
	ctx     context.Context
	take    func(path string) error // what becomes of an image; nil: it is one of images
	images  []string                // paths, in the order of their names
	skipped []Skipped               // folders that cannot be read, in no order; without names
	files   Passed                  // files that are no images
	folders int                     // folders that were found, entered or not
	deep    bool                    // enter folders
	failed  error                   // of take
}

// find adds the images of folder dir, which must be readable. Folders within
// that are not are skipped.
func (f *finder) find(dir string) error { return f.enter(dir, nil) }

// enter is find for a folder to which the folders above led.
func (f *finder) enter(dir string, above []fs.FileInfo) error {
	if len(above) == maxDepth {
		return fmt.Errorf("%s: more than %d folders within folders", dir, maxDepth)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, a := range above {
		if os.SameFile(a, info) {
			return errLedBack // all in it has been or will be found there
		}
	}
	// A folder whose listing fails half-way counts as unreadable as a whole.
	here := finder{ctx: f.ctx}
	var names []string // those of folders with a slash behind, as in the names of images in them
	err = f.entries(dir, func(e fs.DirEntry) error {
		switch {
		case e.IsDir() || !isImage(e.Name()) && linksToFolder(e, join(dir, e.Name())):
			here.folders++
			names = append(names, e.Name()+"/")
		case !isImage(e.Name()):
			here.files.add(e.Name())
		default:
			names = append(names, e.Name())
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.files.Files += here.files.Files
	f.files.Bare += here.files.Bare
	f.folders += here.folders
	slices.Sort(names)
	above = append(slices.Clone(above), info)
	for _, name := range names {
		name, folder := strings.CutSuffix(name, "/")
		switch path := join(dir, name); {
		case !folder:
			f.add(path)
		case f.deep:
			err := errLedBack
			if !leadsUp(path) {
				err = f.enter(path, above)
			}
			if err != nil && f.failed == nil && f.ctx.Err() == nil {
				f.skip(path, reason(err, path))
			}
		}
		if f.failed != nil {
			return f.failed
		}
		if err := f.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// errLedBack is of a folder that a link leads back to: what is in it is listed already, or is
// beside what was asked for.
var errLedBack = errors.New("a link back to a folder that it is in")

// leadsUp reports whether a path is a link that leads to a folder that it is in, however far
// above: also above the folder where the listing began.
func leadsUp(link string) bool {
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	to, err := os.Stat(link)
	if err != nil {
		return false
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(link))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	for err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(dir); err == nil && os.SameFile(info, to) {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
		dir = filepath.Dir(dir)
	}
	return false
}

// add hands over an image.
func (f *finder) add(path string) {
	if f.take == nil {
		f.images = append(f.images, path)
		return
	}
	f.failed = f.take(path)
}

func (f *finder) skip(path, reason string) {
	f.skipped = append(f.skipped, Skipped{Path: path, Reason: reason})
}

// reason returns the text of an error without the path.
func reason(err error, path string) string {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return strings.TrimPrefix(err.Error(), path+": ")
}

// entries calls visit for the entries of a folder that are not hidden.
func (f *finder) entries(dir string, visit func(fs.DirEntry) error) error {
	open, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer open.Close()
	for {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		found, err := open.ReadDir(batch)
		for _, e := range found {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if err := visit(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func linksToFolder(e fs.DirEntry, path string) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// join is filepath.Join of two clean parts.
func join(dir, name string) string {
	if os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

const notALine = "name has a line break or is not UTF-8"

// items makes the items of the images found, which lie below root, in name order.
func (f *finder) items(root string, label int) []Item {
	items := make([]Item, 0, len(f.images))
	for _, path := range f.images {
		if item, ok := f.item(root, path, label); ok {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	return items
}

// item makes the item of an image below root. Its name shares the memory of the path. A name
// that does not fit on a line of text is skipped, because artefacts list one name per line.
func (f *finder) item(root, path string, label int) (Item, bool) {
	name := filepath.ToSlash(path[len(join(root, "")):])
	if !isLine(name) {
		f.skip(path, notALine)
		return Item{}, false
	}
	return Item{Path: path, Name: name, Label: label}, true
}

// named returns what was skipped, which lies below root, by name.
func (f *finder) named(root string) []Skipped {
	above := len(join(root, ""))
	for i, s := range f.skipped {
		f.skipped[i].Name = printable(filepath.ToSlash(s.Path[above:]))
	}
	sortSkipped(f.skipped)
	return f.skipped
}

func sortSkipped(list []Skipped) {
	slices.SortFunc(list, func(a, b Skipped) int { return strings.Compare(a.Path, b.Path) })
}

// isLine reports whether name fits on one line of a text file.
func isLine(name string) bool { return !strings.ContainsAny(name, "\r\n") && utf8.ValidString(name) }

// printable is name as a line: itself if it is one, else quoted.
func printable(name string) string {
	if isLine(name) {
		return name
	}
	return strconv.Quote(name)
}

// noImages is the error of a folder in which f found none.
func (f *finder) noImages(dir string) error {
	if f.files.Files+f.folders+len(f.skipped) == 0 {
		return hinted{fmt.Errorf("%s: the folder is empty, want images", dir), "give the folder, the archive or the list of the images"}
	}
	err := fmt.Errorf("%s: no images (%s) among %s and %s",
		dir, strings.Join(decoded, " "), quantity.Of(f.files.Files, "file"), quantity.Of(f.folders, "folder"))
	switch {
	case len(f.skipped) > 0:
		sortSkipped(f.skipped)
		return fmt.Errorf("%w; folders that cannot be read: %d, such as %s: %s", err, len(f.skipped), printable(f.skipped[0].Path), f.skipped[0].Reason)
	case packedIn(dir) != "":
		return hinted{err, packedIn(dir)}
	case f.files.Bare > 0:
		return hinted{err, fmt.Sprintf("names without an extension: %d; if these files are images, give them one, .jpg for any format", f.files.Bare)}
	}
	return err
}

// packedIn says which files in a folder could be meant, as a hint; empty if there are none.
func packedIn(dir string) string {
	for _, in := range []string{dir, join(dir, "data")} {
		for _, ending := range []string{"*.parquet", "*.tar", "*.tar.gz", "*.tgz", "*.zip"} {
			found, err := filepath.Glob(join(escapeGlob(in), ending))
			if err == nil && len(found) > 0 {
				return fmt.Sprintf("name the files that hold the images, several by a pattern with braces as in \"%s\"; there are %d, such as %s",
					join(in, "{000..099}"+strings.TrimPrefix(ending, "*")), len(found), printable(found[0]))
			}
		}
	}
	return ""
}

// escapeGlob is a folder as a pattern that matches it alone.
func escapeGlob(dir string) string {
	if filepath.Separator == '\\' {
		return dir // there is no escaping, and few names need it
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// noLines is the error of a folder whose images were all skipped.
func noLines(skipped []Skipped) error {
	return fmt.Errorf("%s: %s", printable(skipped[0].Path), skipped[0].Reason)
}

func checkFolder(path string) error {
	if path == "" {
		return errors.New("no data path, want a folder of images")
	}
	if remote.Named(path) {
		return fmt.Errorf("%s: an address, want a folder of the data set", remote.Shown(path))
	}
	info, err := os.Stat(path)
	if err != nil && strings.Contains(path, "://") {
		return hinted{err, otherAddresses}
	}
	if err != nil && path == "-" {
		return hinted{err, "standard input is not read: write the paths to a file; " + whatLists}
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return hinted{fmt.Errorf("%s: a file, want a folder, an archive or a list of images", path), whatLists}
	}
	return nil
}

// whatLists says which files are taken for lists of images.
const whatLists = "a list is a .txt with a path on each line, or a .csv with a column of paths"
