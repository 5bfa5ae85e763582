package artefact

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

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
func SaveTogether(outputs []Output, fill func(writers []io.Writer) error) error {
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
		_, err := cache.Save(rest[0].Path, rest[0].Manifest, func(w io.Writer) error {
			if _, err := w.Write(npy.AppendHeader(nil, npy.Float32, rest[0].Manifest.Shape)); err != nil {
				return err
			}
			writers = append(writers, w)
			return next(rest[1:])
		})
		return err
	}
	return next(outputs)
}

// SaveFloat32 writes a whole tensor.
func SaveFloat32(kind, path string, axes []string, shape []int, values []float32, o origin.Origin) error {
	return SaveTogether([]Output{NewOutput(kind, path, axes, shape, o)}, func(w []io.Writer) error { return Put(w[0], values) })
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
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		probe, err := os.CreateTemp(dir, ".clipnh-*.tmp")
		if err != nil {
			return fmt.Errorf("%s: cannot be written: %w", path, errors.Unwrap(err))
		}
		if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
			return err
		}
	}
	return nil
}
