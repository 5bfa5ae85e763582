package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/foreign"
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
	size   int64 // bytes of the file
}

// OpenArchive opens a .npz file.
func OpenArchive(path string) (*Archive, error) {
	file, err := foreign.Open(path)
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
	if errors.Is(err, zip.ErrFormat) {
		err = foreign.Explain(file, "a NumPy archive (.npz)", err)
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
	a := &Archive{zip: z, byName: map[string]*zip.File{}, path: "archive", size: size}
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, ".npy")
		if a.byName[name] != nil {
			return nil, fmt.Errorf("array %s occurs twice", foreign.Quote(name))
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

// Read reads one array, whose elements may take most bytes, and checks it against
// the archive's checksum. One that says of itself that it is larger is refused
// before any of it is unpacked: a file of a megabyte can hold a gigabyte of
// zeros, so callers say what the array that they want can take. No array is
// larger than MaxEntry, nor than 1032 times (deflated) or once (stored) the
// file; reading takes up to three times the array.
func (a *Archive) Read(name string, most int64) (*Array, error) {
	array, err := a.entry(name, most)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a.path, err)
	}
	return array, nil
}

// entry is Read for callers that name the archive themselves.
func (a *Archive) entry(name string, most int64) (*Array, error) {
	var array Array
	var elements bytes.Buffer
	err := a.stream(name, func(h Header) (io.Writer, error) {
		if h.Bytes() > most {
			return nil, fmt.Errorf("%s of shape %s, %d bytes, want at most %d", h.DType, ShapeString(h.Shape), h.Bytes(), most)
		}
		array.Header = h
		return &elements, nil
	})
	if err != nil {
		return nil, err
	}
	array.data = elements.Bytes()
	return &array, nil
}

// NonFinite looks through an array of floats of any size for the first element
// that is NaN or infinite, in the order in which elements are stored. It
// returns its index and value, -1 where there is none, and checks the
// archive's checksum. It takes 64 KiB of memory.
func (a *Archive) NonFinite(name string) (h Header, index int64, value float64, err error) {
	scan := scanner{at: -1}
	err = a.stream(name, func(header Header) (io.Writer, error) {
		h, scan.dtype, scan.order = header, header.DType, (&Array{Header: header}).order()
		return &scan, nil
	})
	if err != nil {
		return Header{}, -1, 0, fmt.Errorf("read %s: %w", a.path, err)
	}
	return h, scan.at, scan.value, nil
}

// scanner looks at elements that are written to it for the first that is not finite.
type scanner struct {
	dtype DType
	order binary.ByteOrder
	rest  []byte // the beginning of an element
	seen  int64  // elements
	at    int64  // the first that is not finite, or -1
	value float64
}

func (s *scanner) Write(b []byte) (int, error) {
	n, size := len(b), s.dtype.Size
	if s.dtype.Kind != 'f' || s.at >= 0 {
		return n, nil
	}
	if len(s.rest) > 0 {
		take := min(size-len(s.rest), len(b))
		s.rest, b = append(s.rest, b[:take]...), b[take:]
		if len(s.rest) == size {
			s.look(s.rest)
			s.rest = s.rest[:0]
		}
	}
	for ; len(b) >= size; b = b[size:] {
		s.look(b)
	}
	s.rest = append(s.rest, b...)
	return n, nil
}

// look takes the element that b begins with.
func (s *scanner) look(b []byte) {
	var x float64
	switch s.dtype {
	case Float16:
		x = float64(float16.FromBits(s.order.Uint16(b)))
	case Float32:
		x = float64(math.Float32frombits(s.order.Uint32(b)))
	default:
		x = math.Float64frombits(s.order.Uint64(b))
	}
	if x-x != 0 && s.at < 0 {
		s.at, s.value = s.seen, x
	}
	s.seen++
}

// stream unpacks an array: its header goes to begin, its elements to the writer
// that begin returns.
func (a *Archive) stream(name string, begin func(Header) (io.Writer, error)) error {
	f := a.byName[name]
	if f == nil {
		return fmt.Errorf("no array %s among %d: %s", foreign.Quote(name), len(a.names), foreign.QuoteAll(a.names))
	}
	if err := streamEntry(f, begin); err != nil {
		return fmt.Errorf("array %s: %w", foreign.Quote(name), err)
	}
	return nil
}

func streamEntry(f *zip.File, begin func(Header) (io.Writer, error)) error {
	const encrypted = 1
	packed, size := f.CompressedSize64, f.UncompressedSize64
	switch {
	case f.Flags&encrypted != 0:
		return errors.New("encrypted")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return fmt.Errorf("compression method %d, want 0 (stored) or 8 (deflated)", f.Method)
	case size > MaxEntry:
		return fmt.Errorf("%d bytes, want at most %d", size, MaxEntry)
	case f.Method == zip.Store && size != packed, size/maxDeflate > packed:
		return fmt.Errorf("%d bytes cannot come from %d stored ones", size, packed)
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	sum := crc32.NewIEEE()
	in := io.TeeReader(r, sum)
	h, n, err := ReadHeader(in)
	if err != nil {
		return err
	}
	if err := h.fits(int64(size) - int64(n)); err != nil {
		return err
	}
	// The directory's sizes are claims: memory grows with what really comes.
	out, err := begin(h)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(struct{ io.Writer }{out}, in, h.Bytes()); err != nil {
		return fmt.Errorf("elements: %w", noEOF(err))
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		if err == nil || err == io.EOF {
			err = errors.New("more bytes than the archive's directory says")
		}
		return err
	}
	if sum.Sum32() != f.CRC32 { // archive/zip takes a zero for none
		return zip.ErrChecksum
	}
	return nil
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
