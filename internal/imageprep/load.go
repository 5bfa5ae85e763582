package imageprep

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// mostFile is the size of the largest file that is read. An image of
	// DefaultMaxPixels takes less at 8 bytes a pixel.
	mostFile = 2 << 30

	// mostForeign is the size of the largest file that is read whole although
	// its first bytes are not those of an image.
	mostForeign = 1 << 20

	// headSize is how much of a file is read to tell what it is.
	headSize = 512
)

// File is an image file's bytes.
type File struct {
	Path  string
	Size  int64  // of the file in bytes
	Bytes []byte // all of it, or only the first headSize bytes if it is too large or not an image

	damage error // of a Source, which Decode returns
}

// A Source gives the bytes of an image that is not a file of its own.
type Source interface {
	// Open returns the bytes, to be read once from the first to the last, and how many
	// there are. An error of reading that is a *Damage is of the bytes themselves.
	Open() (r io.ReadCloser, size int64, err error)
}

// Damage is the error of a Source whose bytes are not what they should be, for the
// decoder to refuse.
type Damage struct{ Err error }

func (d *Damage) Error() string { return d.Err.Error() }
func (d *Damage) Unwrap() error { return d.Err }

// LoadFrom is Load for the bytes of a source, whose name in messages is path.
func LoadFrom(path string, from Source) (*File, error) {
	return loadFrom("image", path, from, formatKnown)
}

func loadFrom(what, path string, from Source, known func(head []byte) bool) (*File, error) {
	f := &File{Path: path}
	if err := f.readFrom(from, known); err != nil {
		return nil, fmt.Errorf("read %s: %s: %w", what, path, err)
	}
	return f, nil
}

// readFrom reads what read does.
func (f *File) readFrom(from Source, known func(head []byte) bool) error {
	r, size, err := from.Open()
	if err == nil {
		defer r.Close()
		f.Size, f.Bytes = size, make([]byte, min(size, headSize))
		if _, err = io.ReadFull(r, f.Bytes); err == nil && size > headSize && size <= mostFile && (size <= mostForeign || known(f.Bytes)) {
			whole := make([]byte, size)
			copy(whole, f.Bytes)
			f.Bytes = whole
			_, err = io.ReadFull(r, whole[headSize:])
		}
		if err == nil && int64(len(f.Bytes)) == size {
			if _, err = r.Read(make([]byte, 1)); err == io.EOF { // which compares checksums
				err = nil
			}
		}
	}
	if damage := (*Damage)(nil); errors.As(err, &damage) {
		f.Size, f.Bytes, f.damage = size, nil, damage
		return nil
	}
	return err
}

// Load reads an image file's bytes. It returns an error only if the file cannot
// be read: a file that is not an image is left to the decoder to refuse, and only
// its beginning is read if it is large. Errors name the file.
func Load(path string) (*File, error) { return load("image", path, formatKnown) }

func formatKnown(head []byte) bool { return formatOf(head) != nil }

func load(what, path string, known func(head []byte) bool) (*File, error) {
	f := &File{Path: path}
	err := f.read(known)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return f, nil
}

func (f *File) read(known func(head []byte) bool) error {
	// Opening a pipe among the images would wait without end, and reading a
	// device may have effects.
	info, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", f.Path)
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(file, head)
	f.Bytes = head[:n]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		f.Size = int64(n)
		return nil
	}
	if err != nil {
		return err
	}
	if info, err = file.Stat(); err != nil {
		return err
	}
	f.Size = info.Size()
	if f.Size > mostFile || f.Size > mostForeign && !known(head) {
		return nil
	}
	// One byte more than the file had tells that it grows.
	whole := make([]byte, max(f.Size, headSize)+1)
	copy(whole, head)
	n, err = io.ReadFull(file, whole[headSize:])
	f.Bytes = whole[:headSize+n]
	f.Size = int64(len(f.Bytes))
	if err == nil {
		return fmt.Errorf("%s: the file grew while it was read", f.Path)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// decodeAs decodes what a file holds. Errors name what and the file.
func decodeAs[T any](what string, f *File, o Options, decode func([]byte, Options) (*T, error)) (*T, error) {
	if f.damage != nil {
		return nil, fmt.Errorf("read %s: %s: %w", what, f.Path, f.damage)
	}
	read, err := decode(f.Bytes, o)
	if int64(len(f.Bytes)) < f.Size && f.Size > mostFile && formatOf(f.Bytes) != nil {
		err = fmt.Errorf("file of %d bytes, want at most %d", f.Size, int64(mostFile))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %s: %w", what, f.Path, err)
	}
	return read, nil
}
