package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/usage"
)

// A pack is an archive, or several, whose members are taken for the files of a folder.
type pack struct {
	ctx      context.Context
	path     string                 // as it was given, without what is secret in an address
	archives []string               // their paths or addresses
	wanted   func(base string) bool // of members that are no images, those to keep as texts
	labelKey string                 // of the JSON beside images; empty: one of jsonLabels
	items    []Item                 // images, by archive, in the order of their names
	texts    []text
	skipped  []Skipped
	files    Passed
}

// A text is a member that says something of images.
type text struct {
	*member
	path string // in messages
}

// member is the source of an image in an archive.
type member struct {
	in *archive.Archive
	of *archive.Member
}

func (m *member) Open() (io.ReadCloser, int64, error) {
	r, err := m.in.Open(m.of)
	if err != nil {
		return nil, m.of.Size, damage(err)
	}
	return damageReader{r}, m.of.Size, nil
}

func (m *member) store() store { return m.in }
func (m *member) bytes() int64 { return m.of.Size }

// damage has errors of a member's bytes skip the image, and others not.
func damage(err error) error {
	if errors.Is(err, archive.ErrDamaged) {
		return &imageprep.Damage{Err: err}
	}
	return err
}

// damageReader is a reader whose errors are as damage has them.
type damageReader struct{ io.ReadCloser }

func (d damageReader) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	return n, damage(err)
}

// archivesAt returns the paths of the archives that a data path names, by itself or with
// braces; nil if it is a folder, a list, or nothing that is there.
func archivesAt(dataPath string) ([]string, error) {
	if remote.Named(dataPath) {
		if IsList(dataPath) {
			return nil, nil
		}
		return addresses(dataPath)
	}
	info, err := os.Stat(dataPath)
	if err == nil {
		if info.IsDir() || !IsArchive(dataPath) {
			return nil, nil
		}
		return []string{filepath.Clean(dataPath)}, nil
	}
	paths, err := expandBraces(dataPath)
	if err != nil {
		return nil, err
	}
	if paths[0] == dataPath {
		return nil, nil // no braces: checkFolder says that it is not there
	}
	// Images are named by these paths: however they are spelt, the names are the same.
	seen := make(map[string]bool, len(paths))
	for i, at := range paths {
		at = filepath.Clean(at)
		if seen[at] {
			return nil, usage.Errorf("%s: %s is named twice, want each once", dataPath, at)
		}
		seen[at], paths[i] = true, at
	}
	missing := slices.DeleteFunc(slices.Clone(paths), isFile)
	for _, at := range missing {
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			return nil, usage.Errorf("%s: %s is a folder, want archives or Parquet files by a pattern with braces, or one folder", dataPath, at)
		}
	}
	if len(missing) > 0 && strings.Contains(dataPath, "://") {
		return nil, hinted{notThere(dataPath + ": no such files"), otherAddresses}
	}
	if len(missing) > 0 {
		return nil, notThere(fmt.Sprintf("%s: %d of %s %s not there, %s the first", dataPath, len(missing), quantity.Of(len(paths), "file"), quantity.Is(len(missing)), missing[0]))
	}
	return paths, nil
}

// IsArchive reports whether the file at path holds images, as an archive or a Parquet file,
// or is called one.
func IsArchive(path string) bool {
	if archive.Named(path) || isTable(path) {
		return true
	}
	if remote.Named(path) {
		return false
	}
	f, err := foreign.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, archive.HeadBytes)
	n, _ := io.ReadFull(f, head)
	kind, ok := archive.Is(head[:n])
	return ok && kind != "tar.gz" // other files are compressed too
}

// openPack lists archives. Names begin with that of the archive, below the folder in which
// all of them are.
func openPack(ctx context.Context, dataPath string, archives []string, wanted func(base string) bool) (*pack, error) {
	p := &pack{ctx: ctx, path: remote.Shown(dataPath), archives: archives, wanted: wanted}
	names := below(archives)
	open := func(ctx context.Context, i int) (*scanned, error) { return p.open(ctx, archives[i], names[i]) }
	err := eachAhead(ctx, archives, open, func(i int, a *scanned) error {
		p.add(a, archives[i], names[i])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// below returns paths from the deepest folder that all of them are in, with slashes.
func below(paths []string) []string {
	if remote.Named(paths[0]) {
		return belowAddress(paths)
	}
	folder := filepath.Dir(paths[0])
	for _, at := range paths[1:] {
		for folder != filepath.Dir(folder) && !strings.HasPrefix(at, join(folder, "")) && folder != "." {
			folder = filepath.Dir(folder)
		}
	}
	names := make([]string, len(paths))
	for i, at := range paths {
		names[i] = filepath.ToSlash(strings.TrimPrefix(at, join(folder, "")))
	}
	return names
}

// scanned is an archive that was opened, and what is not among its members.
type scanned struct {
	*archive.Archive
	files   Passed // not taken for images
	skipped []Skipped
}

// open opens an archive. Several may be opened at once: what is in them is added by add.
func (p *pack) open(ctx context.Context, at, name string) (*scanned, error) {
	if !isLine(name) {
		return nil, fmt.Errorf("%q: name has a line break or is not UTF-8", at)
	}
	l := &scanned{}
	a, err := archive.Open(ctx, at, func(name string) bool {
		base := path.Base(name)
		switch {
		case hidden(name):
			return false
		case isImage(base), p.wanted != nil && p.wanted(base):
			return true
		}
		l.files.add(base)
		return false
	})
	if err != nil {
		return nil, err
	}
	l.Archive = a
	at = remote.Shown(at)
	for _, s := range a.Skipped {
		if s.Name == "" {
			l.skipped = append(l.skipped, Skipped{Path: at, Name: name, Reason: s.Reason})
		} else {
			l.skipped = append(l.skipped, skippedIn(at, name, s.Name, s.Reason))
		}
	}
	return l, nil
}

// leave adds what is not among the members of an archive.
func (p *pack) leave(a *scanned) {
	p.files.Files, p.files.Bare = p.files.Files+a.files.Files, p.files.Bare+a.files.Bare
	p.skipped = append(p.skipped, a.skipped...)
}

// takes reports whether an image in an archive can be listed. One that cannot is skipped.
func (p *pack) takes(at, name, inner string) bool {
	switch {
	case !isLine(inner):
		p.skip(at, name, inner, notALine)
	case strings.Count(inner, "/") > maxDepth:
		p.skip(at, name, inner, fmt.Sprintf("more than %d folders within folders", maxDepth))
	default:
		return true
	}
	return false
}

// add adds the members of an archive.
func (p *pack) add(a *scanned, at, name string) {
	p.leave(a)
	at = remote.Shown(at)
	members := make([]member, len(a.Members))
	first := len(p.items)
	for i := range a.Members {
		m := &members[i]
		*m = member{a.Archive, &a.Members[i]}
		inner := m.of.Name
		switch {
		case !isImage(path.Base(inner)):
			p.texts = append(p.texts, text{m, at + "!" + inner})
		case p.takes(at, name, inner):
			// All names share the memory of the path.
			full := at + "!" + inner
			item := Item{Path: full, Name: full[len(at)-len(name):], Label: Unlabelled, from: m}
			if os.PathSeparator != '/' {
				item.Name = name + "!" + inner
			}
			m.of.Name = full[len(at)+1:]
			p.items = append(p.items, item)
		}
	}
	slices.SortFunc(p.items[first:], func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
}

// hidden reports whether a part of a name begins with a dot, as those that are passed over
// in folders.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".." {
			return true
		}
	}
	return false
}

func (p *pack) skip(at, name, inner, reason string) {
	p.skipped = append(p.skipped, skippedIn(at, name, inner, reason))
}

func skippedIn(at, name, inner, reason string) Skipped {
	return Skipped{Path: at + "!" + inner, Name: printable(name + "!" + inner), Reason: reason}
}

// isText reports whether a member of this name may say something of images.
func isText(base string) bool {
	_, ext := keyOf(base)
	return base == classesFile || slices.Contains(sampleForms, ext)
}

// inner is the name of an image in its archive.
func (i *Item) inner() string { return i.from.(*member).of.Name }

// dataset makes a data set of the pack's images.
func (p *pack) dataset(items []Item) (*Dataset, error) {
	if len(items) == 0 && len(p.skipped) == 0 {
		return nil, fmt.Errorf("%s: no images (%s) among %s", p.path, strings.Join(decoded, " "), quantity.Of(p.files.Files+len(p.texts), "file"))
	}
	sortSkipped(p.skipped)
	return &Dataset{Root: p.path, Items: items, Skipped: p.skipped, Passed: p.files}, nil
}

// images is readImages.
func (p *pack) images() (*Dataset, error) { return p.dataset(p.items) }

// imageNetTest is readImageNetTest: the images that are in a folder test, or in none, or
// all in the same.
func (p *pack) imageNetTest() (*Dataset, error) {
	top := p.top("test")
	p.splitOf(top, "test")
	return p.dataset(p.under(top))
}

// splitOf notes that only the images in top are looked for, where that is the folder of a
// split.
func (p *pack) splitOf(top, split string) {
	above, is := strings.CutSuffix(top, split+"/")
	if !is {
		return
	}
	p.files.Split, p.files.Beside = p.path+"!"+strings.TrimSuffix(top, "/"), 0
	for i := range p.items {
		if name, in := strings.CutPrefix(p.items[i].inner(), above); in && !strings.Contains(name, "/") {
			p.files.Beside++
		}
	}
}

// top returns the folder in the archives, empty or with a slash at its end, that is as
// good as a data set's: the one of the split, or the deepest that holds only one folder
// above others.
func (p *pack) top(split string) string {
	top := ""
	for {
		folders := map[string]bool{} // in top
		flat, deeper := false, false // images in top, and in its folders' folders
		for i := range p.items {
			rest, ok := strings.CutPrefix(p.items[i].inner(), top)
			if !ok {
				continue
			}
			folder, file, in := strings.Cut(rest, "/")
			if !in {
				flat = true
				continue
			}
			if folders[folder] = true; strings.Contains(file, "/") {
				deeper = true
			}
		}
		switch {
		case folders[split]:
			return top + split + "/"
		case flat || len(folders) != 1:
			return top
		}
		for folder := range folders {
			if !deeper && split == "val" { // it is the only class
				return top
			}
			top += folder + "/"
		}
	}
}

// under returns the images in a folder of the archives.
func (p *pack) under(top string) []Item {
	if top == "" {
		return p.items
	}
	return slices.DeleteFunc(slices.Clone(p.items), func(i Item) bool { return !strings.HasPrefix(i.inner(), top) })
}
