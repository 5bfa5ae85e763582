// Package packed keeps weights as kernels want them in files of the user's, so that a
// tower which was used before is mapped instead of made again.
//
// A File is a set of sections, slices of float32, that a Layout describes: by the hash of
// the weights that they were made from, the layout of the kernels, and the name, length
// and packing of each section. The Layout gives the file its name, stands at its
// beginning, and is compared as a whole:
//
//	clipnh packed weights 1
//	weights 0a1b...
//	kernel amd64 avx512 1
//	visual.conv1 2048 stem
//	...                        a line for each section; an empty line ends the text
//	uint32                     CRC-32C of each section, and of all that is before
//	sections                   each from a multiple of 4096 bytes on, zeros between
//
// Numbers are little-endian. All bytes of a file are compared with its checksums in every
// process that uses it, which costs less than the faults of first touching them: so a file
// may be damaged, cut, or another's, and is then made again. A Writer makes a file under
// a name that nobody can guess and renames it, so that two processes may make one file,
// and nobody sees half of one. No file is written to after that.
package packed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/par"
)

// A Layout says what is in a file.
type Layout struct {
	Weights  string // hash of the weights that the sections are made from
	Kernel   string // the layout of packed weights, kernel.Layout
	Sections []Section
}

// A Section is a slice of a file.
type Section struct {
	Name    string // without blanks
	Packing string // what decides its values beside the weights
	Len     int    // float32 values
}

const (
	firstLine = "clipnh packed weights 1\n"
	suffix    = ".weights"
	alignment = 4096 // of sections
)

// text is the beginning of the file.
func (l Layout) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sweights %s\nkernel %s\n", firstLine, l.Weights, l.Kernel)
	for _, s := range l.Sections {
		fmt.Fprintf(&b, "%s %d %s\n", s.Name, s.Len, s.Packing)
	}
	b.WriteByte('\n')
	return b.String()
}

// name is the name of the file.
func (l Layout) name() string {
	sum := sha256.Sum256([]byte(l.text()))
	return hex.EncodeToString(sum[:16]) + suffix
}

// place returns where the sections begin, and the length of the file.
func (l Layout) place() (offsets []int64, size int64) {
	aligned := func(n int64) int64 { return (n + alignment - 1) / alignment * alignment }
	size = aligned(int64(len(l.text()) + 4*len(l.Sections) + 4))
	for _, s := range l.Sections {
		offsets = append(offsets, size)
		size = aligned(size + 4*int64(s.Len))
	}
	return offsets, size
}

// Bytes returns the length of a file of this layout.
func (l Layout) Bytes() int64 {
	_, size := l.place()
	return size
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is all that comes before the first section but for zeros.
func (l Layout) head(sums []uint32) []byte {
	b := []byte(l.text())
	for _, s := range sums {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// A Store is a folder of packed weights. The zero value keeps none.
type Store struct {
	Dir   string // need not exist; empty keeps none
	Limit int64  // bytes of all files; the least recently used ones are removed
	Least int64  // bytes; smaller sets are not for this store: they are packed sooner than a file is opened
	// Note is given what a person should know, such as that nothing can be written. It
	// may be nil.
	Note func(format string, args ...any)

	mu   sync.Mutex
	open map[string]*File
	off  bool // nothing can be written
	fits bool // files were removed where they took more than Limit
}

func (s *Store) note(format string, args ...any) {
	if s.Note != nil {
		s.Note(format, args...)
	}
}

// A File is a mapped set of sections. It stays mapped until the process ends: towers
// hand its slices on.
type File struct {
	layout  Layout
	offsets []int64
	mapping *mapping.Mapping
}

// Section returns the values of the layout's section i. They must not be written to.
func (f *File) Section(i int) []float32 {
	return f.mapping.Floats(f.offsets[i], f.layout.Sections[i].Len)
}

// Open returns the file of a layout, with all of its bytes checked, or nil where there is
// none that can be used. The first time it also removes files where they take more than
// Limit, which may be less than it was: also those that it returns, which stay mapped.
func (s *Store) Open(l Layout, team par.Team) *File {
	if s.Dir == "" {
		return nil
	}
	f := s.find(l, team)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits {
		s.fits = true
		if err := s.makeRoom(0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.note("packed weights take more than %d MiB, and cannot be removed: %v", s.Limit>>20, err)
		}
	}
	return f
}

// find is Open without the bound.
func (s *Store) find(l Layout, team par.Team) *File {
	path := filepath.Join(s.Dir, l.name())
	s.mu.Lock()
	f := s.open[path]
	s.mu.Unlock()
	if f != nil {
		return f
	}
	f, err := openFile(path, l)
	// Another process may just have finished the same file.
	for tries := 0; errors.Is(err, errReplaced) && tries < 5; tries++ {
		f, err = openFile(path, l)
	}
	if err == nil {
		if err = f.check(team); err != nil {
			err = errors.Join(err, f.mapping.Close())
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		s.note("%v: packing the weights again", err)
		return nil
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > usedAgain {
		now := time.Now()
		os.Chtimes(path, now, now) // where it cannot be said that it is in use, it goes sooner
	}
	s.keep(path, f)
	return f
}

// usedAgain is how old a file's time of use becomes before it is renewed.
const usedAgain = time.Minute

func (s *Store) keep(path string, f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*File{}
	}
	s.open[path] = f
}

var errReplaced = errors.New("replaced while it was opened")

// openFile maps the file at path, whose length must be that of the layout.
func openFile(path string, l Layout) (*File, error) {
	link, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !link.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: a link, folder or device, want packed weights", path)
	}
	f, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(link, info) {
		return nil, fmt.Errorf("%s: %w", path, errReplaced)
	}
	offsets, size := l.place()
	if info.Size() != size {
		return nil, fmt.Errorf("%s: %d bytes, want %d of packed weights", path, info.Size(), size)
	}
	m, err := mapping.New(f, size)
	if err != nil {
		return nil, err
	}
	return &File{l, offsets, m}, nil
}

// check compares all bytes with the layout and the checksums.
func (f *File) check(team par.Team) error {
	return mapping.Catch(func() error { return f.compare(team) })
}

func (f *File) compare(team par.Team) error {
	data, path := f.mapping.Bytes(), f.mapping.Path()
	sums := make([]uint32, len(f.layout.Sections))
	team.Each(len(sums), func(i, _ int) { sums[i] = checksum(f.Section(i)) })
	want := f.layout.head(sums)
	if string(data[:len(want)]) == string(want) {
		return nil
	}
	text := f.layout.text()
	if string(data[:len(text)]) != text {
		return fmt.Errorf("%s: other packed weights than its name says, or none", path)
	}
	for i, sum := range sums {
		if found := binary.LittleEndian.Uint32(data[len(text)+4*i:]); found != sum {
			return fmt.Errorf("%s: %s is damaged: CRC-32C %08x, want %08x", path, f.layout.Sections[i].Name, sum, found)
		}
	}
	return fmt.Errorf("%s: its header is damaged", path)
}

// checksum returns the CRC-32C of values as they are in memory.
func checksum(values []float32) uint32 {
	return crc32.Checksum(bytesOf(values), castagnoli)
}

// bytesOf returns the memory of values.
func bytesOf(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}
