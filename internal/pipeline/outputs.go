package pipeline

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
)

// output is a .npy file that a stage fills row after row.
type output struct {
	path     string // empty: not wanted
	manifest cache.Manifest
}

func newOutput(kind, path string, axes []string, shape []int, origin cache.Origin) output {
	return output{path, cache.Manifest{Kind: kind, Axes: axes, Shape: shape, DType: npy.Float32.String(), Origin: origin}}
}

// saveTogether writes several files at once: fill gets a writer for each, in
// their order, behind the .npy header. What is not wanted is discarded.
func saveTogether(outputs []output, fill func(writers []io.Writer) error) error {
	writers := make([]io.Writer, 0, len(outputs))
	var next func(rest []output) error
	next = func(rest []output) error {
		switch {
		case len(rest) == 0:
			return fill(writers)
		case rest[0].path == "":
			writers = append(writers, io.Discard)
			return next(rest[1:])
		}
		_, err := cache.Save(rest[0].path, rest[0].manifest, func(w io.Writer) error {
			if _, err := w.Write(npy.AppendHeader(nil, npy.Float32, rest[0].manifest.Shape)); err != nil {
				return err
			}
			writers = append(writers, w)
			return next(rest[1:])
		})
		return err
	}
	return next(outputs)
}

// put writes values as they lie in a .npy file.
func put(w io.Writer, values []float32) error {
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

// makeFolders makes the folders that files are to be written to, so that a
// path that cannot be had is known before the work and not after it.
func makeFolders(paths ...string) error {
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

// product is the number of elements of a shape.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
