package npy

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/mapping"
)

// View returns the n elements from number start on, in row-major order: those of the
// mapped file where it holds float32 as this machine does, and else what ReadFloat32
// reads into buf, which grows. They must not be written to, and are valid until Close
// or the next use of buf.
//
// Reading a mapped file that became shorter is a fault, which package par makes a panic
// and mapping.Fault an error.
func (f *File) View(buf *[]float32, start int64, n int) ([]float32, error) {
	if err := f.within(start, n); err != nil {
		return nil, err
	}
	if m := f.mapped(); m != nil {
		return m.Floats(f.start+4*start, n), nil
	}
	*buf = slices.Grow((*buf)[:0], n)[:n]
	return *buf, f.ReadFloat32(*buf, start)
}

// within returns an error unless the array has the n elements from number start on.
func (f *File) within(start int64, n int) error {
	if total := int64(f.Count()); start < 0 || start > total || int64(n) > total-start {
		return fmt.Errorf("read %s: elements %d to %d, want them within 0 to %d", f.file.Name(), start, start+int64(n), total)
	}
	return nil
}

// mapped returns the file's mapping, or nil where its elements have to be converted or
// the system does not map it: a file system may have no mappings, and a process no
// addresses left for one.
func (f *File) mapped() *mapping.Mapping {
	f.mapOnce.Do(func() {
		if f.DType != Float32 || f.BigEndian || f.reordered() || !hostLittle || f.start%4 != 0 || f.Count() == 0 {
			return
		}
		if m, err := mapping.New(f.file, f.start+f.Bytes()); err == nil {
			f.mapping = m
		}
	})
	return f.mapping
}

// Unchanged returns an error if the file was written to, or cut, since it was opened, as
// far as its length and time of change tell. One that another replaced by renaming stays
// what it was.
func (f *File) Unchanged() error {
	now, err := f.file.Stat()
	if err == nil && (now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime())) {
		err = errChanged
	}
	if err != nil {
		return hinted{fmt.Errorf("read %s: %w", f.file.Name(), err), "run the command again once nothing writes there"}
	}
	return nil
}
