package packed

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/mapping"
)

// A Writer writes a file. Sections may be written concurrently.
type Writer struct {
	store   *Store
	layout  Layout
	offsets []int64
	path    string // it is to get
	file    *os.File
	sums    []uint32

	mu  sync.Mutex
	err error // the first
}

// Create begins the file of a layout. It returns nil where none can be kept, which it
// says once.
func (s *Store) Create(l Layout) *Writer {
	s.mu.Lock()
	off := s.off
	s.mu.Unlock()
	size := l.Bytes()
	if s.Dir == "" || off || size > s.Limit || !mapping.Supported {
		return nil
	}
	w, err := s.create(l, size)
	if err != nil {
		s.fail(err)
		return nil
	}
	return w
}

// fail says why nothing can be kept, once.
func (s *Store) fail(err error) {
	s.mu.Lock()
	before := s.off
	s.off = true
	s.mu.Unlock()
	if !before {
		s.note("packed weights are not kept for the next run: %v ({no-packed-cache} does not try)", err)
	}
}

func (s *Store) create(l Layout, size int64) (*Writer, error) {
	// Others may not read what this user looks at, and nobody else may put a file here.
	if err := os.MkdirAll(filepath.Dir(s.Dir), 0o777); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	tag, err := os.OpenFile(filepath.Join(s.Dir, tagName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		_, err = tag.WriteString(tagText)
		err = errors.Join(err, tag.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := s.makeRoom(size); err != nil {
		return nil, err
	}
	if free, err := cache.Free(s.Dir); err == nil && free/2 < uint64(size) {
		return nil, fmt.Errorf("%s: %d MiB free on the disk, want twice the %d MiB of the file", s.Dir, free>>20, size>>20)
	}
	token := make([]byte, 8)
	rand.Read(token) // never fails
	w := &Writer{store: s, layout: l, path: filepath.Join(s.Dir, l.name()), sums: make([]uint32, len(l.Sections))}
	w.offsets, _ = l.place()
	w.file, err = os.OpenFile(w.path+temporaryMark+hex.EncodeToString(token), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w.failed(w.file.Truncate(size))
	return w, nil
}

// tagText begins as backup programs know a folder that they need not keep
// (bford.info/cachedir).
const (
	tagName = "CACHEDIR.TAG"
	tagText = "Signature: 8a477f597d28d172789f06886806bc55\n" +
		"# Weights that clipnh packed; it packs them again where they are missing.\n"
)

// temporaryMark is in the names of files that are being written.
const temporaryMark = ".partial-"

// abandoned is the age at which a file that is being written has no writer any more.
const abandoned = time.Hour

// makeRoom removes the files that were used least recently until there is room for size
// bytes more, and those that killed processes left.
func (s *Store) makeRoom(size int64) error {
	all, err := s.entries()
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	for _, info := range all {
		partial := isPartial(info)
		if partial && time.Since(info.ModTime()) > abandoned {
			os.Remove(filepath.Join(s.Dir, info.Name())) // again the next time
			continue
		}
		size += info.Size()
		if !partial {
			files = append(files, info)
		}
	}
	for _, info := range files {
		if size <= s.Limit {
			return nil
		}
		if err := os.Remove(filepath.Join(s.Dir, info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		size -= info.Size()
	}
	return nil
}

// entries lists the store's files, also those that are being written, the least recently
// used first.
func (s *Store) entries() ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // another process removed it, or it is nothing of ours
		}
		if isPartial(info) || strings.HasSuffix(e.Name(), suffix) {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	return files, nil
}

// isPartial tells a file that is being written, or that a killed process left.
func isPartial(info fs.FileInfo) bool { return strings.Contains(info.Name(), suffix+temporaryMark) }

// failed keeps the first error, of the path that the file was to get.
func (w *Writer) failed(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = cmp.Or(w.err, w.named(err))
	return w.err != nil
}

// Write writes a section. After an error it does nothing; Finish reports the error.
func (w *Writer) Write(i int, values []float32) {
	if len(values) != w.layout.Sections[i].Len {
		panic("packed: wrong length of a section")
	}
	if w.failed(nil) {
		return
	}
	w.sums[i] = checksum(values)
	_, err := w.file.WriteAt(bytesOf(values), w.offsets[i])
	w.failed(err)
}

// Finish gives the file its name when all sections are written, and returns it. Where it
// could not be written, Finish says so and returns nil; where it gets no name, it says so,
// and nobody else will find it.
//
// The file is not synced: to write it to the disk takes longer than to make it, and every
// process compares all bytes with their checksums before it uses them, so what a crash of
// the system leaves of it is found.
func (w *Writer) Finish() *File {
	_, err := w.file.WriteAt(w.layout.head(w.sums), 0)
	f := &File{layout: w.layout, offsets: w.offsets}
	if !w.failed(err) {
		f.mapping, err = mapping.NewAs(w.file, w.layout.Bytes(), w.path)
		w.failed(err)
	}
	if w.err != nil {
		w.Discard()
		w.store.fail(w.err)
		return nil
	}
	w.store.keep(w.path, f)
	err = w.file.Close()
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		os.Remove(w.file.Name())
		w.store.fail(w.named(err))
	}
	return f
}

// named gives an error of the file the path that the file was to get: nobody finds the
// temporary one any more.
func (w *Writer) named(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) && e.Path == w.file.Name() {
		return &fs.PathError{Op: e.Op, Path: w.path, Err: e.Err}
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return &fs.PathError{Op: e.Op, Path: w.path, Err: e.Err}
	}
	return err
}

// Discard gives up the file.
func (w *Writer) Discard() {
	w.file.Close()
	os.Remove(w.file.Name()) // makeRoom tries it again
}
