package npy

import (
	"archive/zip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"
)

const (
	// MaxEntry is the largest array, in bytes with its header, that is read
	// from an archive: 2 GiB, twice the largest set of directions [H,C,O] of a
	// published model.
	MaxEntry = 2 << 30

	// maxDeflate is deflate's limit: no byte of input makes more than 1032 of
	// output. An entry that claims more is refused unread.
	maxDeflate = 1032
)

// Archive is a .npz file opened for reading: a zip archive with one .npy file
// for each named array, stored or deflated.
type Archive struct {
	zip    *zip.Reader
	byName map[string]*zip.File
	names  []string
	file   *os.File // nil when not ours to close
	path   string
}

// OpenArchive opens a .npz file.
func OpenArchive(path string) (*Archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		var a *Archive
		if a, err = NewArchive(file, info.Size()); err == nil {
			a.file, a.path = file, path
			return a, nil
		}
	}
	file.Close()
	return nil, fmt.Errorf("open %s: %w", path, err)
}

// NewArchive reads the directory of a .npz file of the given size. It takes
// memory for the directory only, at most ten times the file's size.
func NewArchive(r io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are keys here, never paths
		return nil, err
	}
	a := &Archive{zip: z, byName: map[string]*zip.File{}, path: "archive"}
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, ".npy")
		if a.byName[name] != nil {
			return nil, fmt.Errorf("array %q occurs twice", name)
		}
		a.byName[name] = f
		a.names = append(a.names, name)
	}
	return a, nil
}

// Close closes the file that OpenArchive opened.
func (a *Archive) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// Names lists the arrays in the archive's order, without ".npy".
func (a *Archive) Names() []string { return a.names }

// Read reads one array and checks it against the archive's checksum. An array
// is never larger than MaxEntry, nor than 1032 times (deflated) or once
// (stored) the file; reading takes up to three times the array.
func (a *Archive) Read(name string) (*Array, error) {
	array, err := a.entry(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a.path, err)
	}
	return array, nil
}

// entry is Read for callers that name the archive themselves.
func (a *Archive) entry(name string) (*Array, error) {
	f := a.byName[name]
	if f == nil {
		const shown = 8
		return nil, fmt.Errorf("no array %.60q among %d: %.60q", name, len(a.names), a.names[:min(len(a.names), shown)])
	}
	array, err := readEntry(f)
	if err != nil {
		return nil, fmt.Errorf("array %q: %w", name, err)
	}
	return array, nil
}

func readEntry(f *zip.File) (*Array, error) {
	const encrypted = 1
	packed, size := f.CompressedSize64, f.UncompressedSize64
	switch {
	case f.Flags&encrypted != 0:
		return nil, errors.New("encrypted")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return nil, fmt.Errorf("compression method %d, want 0 (stored) or 8 (deflated)", f.Method)
	case size > MaxEntry:
		return nil, fmt.Errorf("%d bytes, want at most %d", size, MaxEntry)
	case f.Method == zip.Store && size != packed, size/maxDeflate > packed:
		return nil, fmt.Errorf("%d bytes cannot come from %d stored ones", size, packed)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sum := crc32.NewIEEE()
	in := io.TeeReader(r, sum)
	h, n, err := ReadHeader(in)
	if err != nil {
		return nil, err
	}
	if err := h.fits(int64(size) - int64(n)); err != nil {
		return nil, err
	}
	// The directory's sizes are claims: memory grows with what really comes.
	data, err := io.ReadAll(io.LimitReader(in, h.Bytes()))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != h.Bytes() {
		return nil, fmt.Errorf("elements: %w", io.ErrUnexpectedEOF)
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		if err == nil || err == io.EOF {
			err = errors.New("more bytes than the archive's directory says")
		}
		return nil, err
	}
	if sum.Sum32() != f.CRC32 { // archive/zip takes a zero for none
		return nil, zip.ErrChecksum
	}
	return &Array{h, data}, nil
}

// ArchiveWriter writes a .npz file. The same arrays give the same bytes.
type ArchiveWriter struct {
	zip    *zip.Writer
	method uint16
}

// NewArchiveWriter starts an archive in w. With deflate its arrays are
// compressed.
func NewArchiveWriter(w io.Writer, deflate bool) *ArchiveWriter {
	a := &ArchiveWriter{zip.NewWriter(w), zip.Store}
	if deflate {
		a.method = zip.Deflate
	}
	return a
}

// Create begins the array of the given name (without ".npy"), to be written
// to the returned writer before the next call.
func (a *ArchiveWriter) Create(name string) (io.Writer, error) {
	return a.zip.CreateHeader(&zip.FileHeader{
		Name:     name + ".npy",
		Method:   a.method,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), // the format's first day, as NumPy writes
	})
}

// Close writes the archive's directory. It does not close the underlying
// writer.
func (a *ArchiveWriter) Close() error { return a.zip.Close() }
