// Package mapping maps files into memory, to be read.
//
// A Mapping is the bytes of a file at an address. The system reads a page of them when it
// is first touched, from its cache where it has it, and may drop it again: a mapping
// takes no memory that the program would have to be given first.
//
// A file that becomes shorter than its mapping, or a disk that fails, cannot be told by
// an error: the processor faults where a byte is touched that there is no more. Package par
// makes the fault a panic of the goroutine, and Fault says which file it was.
package mapping

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

// ErrGone is the error of bytes that were there when the file was mapped.
var ErrGone = errors.New("the file became shorter while it was read, or its disk fails")

// A Mapping is a mapped file, or the beginning of one.
type Mapping struct {
	path string
	data []byte
}

// mapped are the mappings of this process, for Fault.
var mapped struct {
	sync.Mutex
	all map[*Mapping]struct{}
}

// Supported says whether this system has mappings.
const Supported = supported

// New maps the first size bytes of f, which must have them, read-only. The mapping stays
// when f is closed or removed. Where the system has no mappings, or no addresses for
// large ones, the error wraps errors.ErrUnsupported.
func New(f *os.File, size int64) (*Mapping, error) { return NewAs(f, size, f.Name()) }

// NewAs is New of a file that gets another path, by which Path and Fault know it.
func NewAs(f *os.File, size int64, path string) (*Mapping, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size < 1 || info.Size() < size {
		return nil, fmt.Errorf("map %s: %d bytes, want %d", path, info.Size(), size)
	}
	data, err := mapFile(f, size)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	m := &Mapping{path, data}
	mapped.Lock()
	defer mapped.Unlock()
	if mapped.all == nil {
		mapped.all = map[*Mapping]struct{}{}
	}
	mapped.all[m] = struct{}{}
	return m, nil
}

// Path is the path that the file was opened by, or that NewAs was told.
func (m *Mapping) Path() string { return m.path }

// Bytes returns the file's bytes. They must not be written to, nor touched after Close.
func (m *Mapping) Bytes() []byte { return m.data }

// Floats returns n float32 values of this machine's byte order from byte at on, a
// multiple of 4. As Bytes.
func (m *Mapping) Floats(at int64, n int) []float32 {
	if at%4 != 0 || n < 0 || at < 0 || at > int64(len(m.data)) || int64(n) > (int64(len(m.data))-at)/4 {
		panic("mapping: values outside of the file")
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&m.data[at])), n)
}

// Close ends the mapping.
func (m *Mapping) Close() error {
	mapped.Lock()
	delete(mapped.all, m)
	mapped.Unlock()
	data := m.data
	m.data = nil
	return unmap(data)
}

// Fault returns the error of a fault in a mapping, ErrGone with the file's path. v is what
// recover returned. Of other panics it returns nil.
func Fault(v any) error {
	fault, ok := v.(interface{ Addr() uintptr })
	if !ok {
		return nil
	}
	mapped.Lock()
	defer mapped.Unlock()
	for m := range mapped.all {
		first := uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
		if at := fault.Addr(); at >= first && at-first < uintptr(len(m.data)) {
			return fmt.Errorf("read %s: %w", m.path, ErrGone)
		}
	}
	return nil
}
