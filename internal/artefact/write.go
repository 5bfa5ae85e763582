package artefact

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

// A Writer writes the artefacts of stages that make them in one go. One that was made
// from something else is replaced only in a Restart.
type Writer struct {
	Store   *cache.Store
	Restart bool                             // discard what was made from something else
	Note    func(format string, args ...any) // for people; may be nil
}

// MayReplace returns an error if what is at path must stay: another program's file,
// an artefact of another kind (cache.ErrExists), or, but for a Restart, one that was
// made from something else than from (cache.ErrStale). An empty path is fine. Callers
// ask before long work; the Save methods do not ask again.
func (w Writer) MayReplace(path, kind string, from origin.Origin) error {
	if path == "" {
		return nil
	}
	if err := w.Store.CanSave(path, kind); err != nil || w.Restart {
		return err
	}
	a, err := cache.Open(path)
	removed := errors.Is(err, cache.ErrRemoved)
	if removed || errors.Is(err, cache.ErrDamaged) {
		a, err = cache.Inspect(path)
	}
	if err != nil {
		return nil // nothing is there that says what it was made from
	}
	if err := a.IsOf(kind, from); err != nil {
		return hint.With(err, startOver)
	}
	if removed {
		w.sayRemoved(path)
	}
	return nil
}

// Complete returns the artefact at path if it is finished and need not be made again;
// nil if there is none, its file was removed, or in a Restart. Another program's file
// and an artefact of another kind are cache.ErrExists. One that was made from something
// else than from, which is given the origin that it has, is cache.ErrStale, with its
// file or without.
func (w Writer) Complete(path, kind string, from func(has origin.Origin) origin.Origin) (*cache.Artefact, error) {
	if err := w.Store.CanSave(path, kind); err != nil || w.Restart {
		return nil, err
	}
	a, err := cache.Open(path)
	if errors.Is(err, cache.ErrMissing) || errors.Is(err, cache.ErrNoManifest) {
		return nil, nil
	}
	removed := errors.Is(err, cache.ErrRemoved)
	if removed {
		a, err = cache.Inspect(path)
	}
	if err == nil {
		err = a.IsOf(kind, from(a.Manifest.Origin))
	}
	switch {
	case err != nil:
		return nil, hint.With(err, startOver)
	case removed:
		w.sayRemoved(path)
		return nil, nil
	}
	return a, nil
}

func (w Writer) sayRemoved(path string) {
	if w.Note != nil {
		w.Note(RemovedNote, path)
	}
}

const startOver = "give another path, or discard what is there with {restart}"

// An Output is a .npy file that a stage fills row after row.
type Output struct {
	Path     string // empty: not wanted
	Manifest cache.Manifest
}

// NewOutput plans a file of float32.
func NewOutput(kind, path string, axes []string, shape []int, o origin.Origin) Output {
	return Output{path, cache.Manifest{Kind: kind, Axes: axes, Shape: shape, DType: npy.Float32.String(), Origin: o}}
}

// SaveTogether writes several files at once: fill gets a writer for each, in
// their order, behind the .npy header. What is not wanted is discarded.
func (w Writer) SaveTogether(outputs []Output, fill func(writers []io.Writer) error) error {
	writers := make([]io.Writer, 0, len(outputs))
	var next func(rest []Output) error
	next = func(rest []Output) error {
		switch {
		case len(rest) == 0:
			return fill(writers)
		case rest[0].Path == "":
			writers = append(writers, io.Discard)
			return next(rest[1:])
		}
		_, err := w.Store.Save(rest[0].Path, rest[0].Manifest, func(to io.Writer) error {
			if _, err := to.Write(npy.AppendHeader(nil, npy.Float32, rest[0].Manifest.Shape)); err != nil {
				return err
			}
			writers = append(writers, to)
			return next(rest[1:])
		})
		return err
	}
	return next(outputs)
}

// SaveFloat32 writes a whole tensor.
func (w Writer) SaveFloat32(kind, path string, axes []string, shape []int, values []float32, o origin.Origin) error {
	return w.SaveTogether([]Output{NewOutput(kind, path, axes, shape, o)}, func(to []io.Writer) error { return Put(to[0], values) })
}

// Put writes values as they are in a .npy file.
func Put(w io.Writer, values []float32) error {
	if w == io.Discard {
		return nil
	}
	const block = 1 << 16
	var buf []byte
	for lo := 0; lo < len(values); lo += block {
		buf = npy.AppendFloat32(buf[:0], values[lo:min(lo+block, len(values))])
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// MakeFolders makes the folders that files are to be written to, so that a path
// that cannot be written is known before the work and not after it.
func MakeFolders(paths ...string) error {
	for _, path := range paths {
		if path == "" {
			continue
		}
		dir := filepath.Dir(path)
		err := os.MkdirAll(dir, 0o777)
		if err == nil {
			err = cache.Writable(dir)
		}
		if err != nil {
			return unwritable(path, dir, err)
		}
	}
	return nil
}

// CanMakeFolders is MakeFolders for what is written only if all goes well: it makes none, and
// looks at the folders that are there.
func CanMakeFolders(paths ...string) error {
	for _, path := range paths {
		dir := filepath.Dir(path)
		for {
			info, err := os.Stat(dir)
			if err == nil && !info.IsDir() {
				return unwritable(path, dir, &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR})
			}
			if err == nil {
				if err := cache.Writable(dir); err != nil {
					return unwritable(path, dir, err)
				}
				break
			}
			above := filepath.Dir(dir)
			if !errors.Is(err, fs.ErrNotExist) || above == dir {
				return unwritable(path, dir, err)
			}
			dir = above
		}
	}
	return nil
}

// unwritable is the error of a file in a folder in which none can be made. A system's error
// that names the folder is left as it is: the commands say what is in its place.
func unwritable(path, dir string, err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		if !errors.Is(err, fs.ErrPermission) {
			return err
		}
		dir, err = named.Path, named.Err
	}
	return fmt.Errorf("%s: cannot be written: no file can be made in %s: %w", path, dir, err)
}
