package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/report"
)

// folder is where a report is written. Files are whole or absent, and the mark says
// "complete" only when all are there.
type folder struct {
	dir     string
	store   *cache.Store
	mark    report.Mark
	resumed bool // an unfinished report of the same inputs was there

	release func() // the lock that keeps other writers out

	mu          sync.Mutex // of the counts
	files, kept int
	bytes       int64
}

// openFolder makes the folder, or takes up the report in it that was begun with the
// same inputs and options. A complete report of the same inputs is written again, file
// by file, and one of others is replaced. The caller releases the folder.
func (o Options) openFolder(key string, files []report.Input) (_ *folder, failed error) {
	if _, err := markOrEmpty(o.Dir); err != nil { // before anything is made in it
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, err
	}
	release, err := o.Store.LockArtefact(filepath.Join(o.Dir, lockedFile))
	if err != nil {
		return nil, err
	}
	defer func() {
		if failed != nil {
			release()
		}
	}()
	f := &folder{release: release, dir: o.Dir, store: o.Store, mark: report.Mark{Format: report.Format, Tool: report.Tool, Key: key, Inputs: relativeTo(o.Dir, files), State: report.Unfinished}}
	old, err := markOrEmpty(o.Dir)
	if err != nil {
		return nil, err
	}
	f.resumed = old != nil && old.State == report.Unfinished && old.Key == f.mark.Key
	// The mark comes first: a folder without it is not taken for a report.
	if !f.resumed {
		if err := f.writeMark(); err != nil { // from here on an old report is none
			return nil, err
		}
		if old != nil {
			if err := f.discard(); err != nil {
				return nil, err
			}
		}
	}
	for _, below := range []string{"data", "data/n", "data/h", "data/i", "data/t", "data/work", "thumbs"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, filepath.FromSlash(below)), 0o777); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// lockedFile is the name whose lock file keeps other writers of the folder out.
const lockedFile = report.MarkFile + ".run"

// markOrEmpty returns the mark of the report in a folder; nil of a folder that is empty or
// absent.
func markOrEmpty(dir string) (*report.Mark, error) {
	old, err := readMark(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wantEmpty(dir)
	}
	return old, err
}

// readMark reads the mark of a report.
func readMark(dir string) (*report.Mark, error) {
	path := filepath.Join(dir, report.MarkFile)
	data, err := foreign.ReadFile(path, report.MostMark)
	if err != nil {
		return nil, err
	}
	var m report.Mark
	if err := json.Unmarshal(data, &m); err != nil || m.Tool != report.Tool {
		return nil, hint.With(fmt.Errorf("%s: %w: a file that clipnh report did not write", path, cache.ErrExists), "give another folder")
	}
	return &m, nil
}

// wantEmpty returns an error unless a folder is empty, but for what a killed run leaves
// before there is a mark, or absent.
func wantEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if of, ok := cache.TemporaryOf(e.Name()); ok && of == report.MarkFile || strings.HasPrefix(e.Name(), report.MarkFile) && strings.HasSuffix(e.Name(), ".lock") {
			continue
		}
		return hint.With(fmt.Errorf("%s: %w: a folder that holds %s and no report", dir, cache.ErrExists, foreign.Name(e.Name())), "give another folder, or one that is empty")
	}
	return nil
}

// discard removes the data files and sheets of another report, which this one may not
// have. Files of others beside them stay.
func (f *folder) discard() error {
	for _, pattern := range []string{"data/*.js", "data/*/*.js", "data/work/*", "thumbs/*.jpg"} {
		paths, err := filepath.Glob(filepath.Join(globbed(f.dir), filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if own, err := isOwn(path); err != nil {
				return err
			} else if !own {
				continue
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// aSheet matches the names of sheets of thumbnails.
var aSheet = regexp.MustCompile(`^[0-9]{3,}\.jpg$`)

// isOwn reports whether a file in a report's folders is the report's: a data file by its
// beginning, another one by its name.
func isOwn(path string) (bool, error) {
	switch filepath.Ext(path) {
	case ".js":
		return report.IsData(path)
	case ".jpg":
		return aSheet.MatchString(filepath.Base(path)), nil
	}
	return true, nil
}

// globbed is a folder's name as filepath.Glob takes it literally.
func globbed(dir string) string {
	var b bytes.Buffer
	for _, c := range []byte(dir) {
		if bytes.IndexByte([]byte(`*?[\`), c) >= 0 && filepath.Separator != '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (f *folder) writeMark() error {
	return f.store.WriteFile(filepath.Join(f.dir, report.MarkFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(f.mark)
	})
}

// finish says that the report is complete, and which images changed.
func (f *folder) finish(changed []string) error {
	if err := os.RemoveAll(filepath.Join(f.dir, "data", "work")); err != nil {
		return err
	}
	f.mark.State, f.mark.Changed = report.Complete, changed
	return f.writeMark()
}

// has reports whether an unfinished run left the file, and counts it then.
func (f *folder) has(file string) bool {
	if !f.resumed {
		return false
	}
	info, err := os.Stat(filepath.Join(f.dir, filepath.FromSlash(file)))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files, f.kept, f.bytes = f.files+1, f.kept+1, f.bytes+info.Size()
	return true
}

// write writes a data file.
func (f *folder) write(name string, v any) error {
	return f.writeFile(report.FileOf(name), func(w io.Writer) error { return report.Write(w, name, v) })
}

func (f *folder) writeFile(file string, write func(io.Writer) error) error {
	var counted counter
	err := f.store.WriteFile(filepath.Join(f.dir, filepath.FromSlash(file)), func(w io.Writer) error {
		counted = 0
		return write(io.MultiWriter(w, &counted))
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files, f.bytes = f.files+1, f.bytes+int64(counted)
	return err
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// read reads what an unfinished run kept.
func (f *folder) read(name string, v any) bool {
	if !f.resumed {
		return false
	}
	file, err := foreign.Open(filepath.Join(f.dir, filepath.FromSlash(report.FileOf(name))))
	if err != nil {
		return false
	}
	defer file.Close()
	return report.Read(file, name, v) == nil
}

// keep writes what an unfinished run leaves to the next one. It is no part of the report.
func (f *folder) keep(name string, v any) error {
	return f.store.WriteFile(filepath.Join(f.dir, filepath.FromSlash(report.FileOf(name))), func(w io.Writer) error { return report.Write(w, name, v) })
}

// relativeTo returns the inputs with their paths from a folder.
func relativeTo(dir string, inputs []report.Input) []report.Input {
	inputs = slices.Clone(inputs)
	from, err := filepath.Abs(dir)
	for i := range inputs {
		in := &inputs[i]
		path := filepath.FromSlash(in.Path)
		if err != nil || filepath.IsAbs(path) || remote.Named(in.Path) {
			continue // without it, the path is taken as it was given
		}
		if absolute, err := filepath.Abs(path); err == nil {
			if relative, err := filepath.Rel(from, absolute); err == nil {
				in.Relative = filepath.ToSlash(relative)
			}
		}
	}
	return inputs
}
