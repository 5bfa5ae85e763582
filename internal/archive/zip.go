package archive

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
)

// zip lists a zip archive by its directory.
func (l *lister) zip(src io.ReaderAt) error {
	r, err := zip.NewReader(src, l.a.listed.Size)
	if err != nil {
		if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
			return hinted{errors.New("a zip archive without a directory at its end: it is cut short or damaged"), copyAgain}
		}
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "zip: "))
	}
	for _, f := range r.File {
		if err := l.check(); err != nil {
			return err
		}
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		name, ok := l.admit(f.Name)
		if !ok {
			continue
		}
		const encrypted = 1
		m := Member{Name: name, Size: int64(f.UncompressedSize64), packed: int64(f.CompressedSize64), crc: f.CRC32, how: zipStored}
		switch mode := f.Mode(); {
		case mode&fs.ModeSymlink != 0:
			l.skip(f.Name, "a link, want a file")
			continue
		case !mode.IsRegular():
			l.skip(f.Name, "not a regular file")
			continue
		case f.Flags&encrypted != 0:
			l.skip(f.Name, "encrypted")
			continue
		case f.Method == zip.Deflate:
			m.how = zipDeflated
		case f.Method != zip.Store:
			l.skip(f.Name, "compressed by method %d, want none or deflate", f.Method)
			continue
		case m.Size != m.packed:
			l.skip(f.Name, "%d bytes stored for %d", m.packed, m.Size)
			continue
		}
		if m.at, err = f.DataOffset(); err != nil && !errors.Is(err, zip.ErrFormat) && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil || m.packed < 0 || m.at > l.a.listed.Size-m.packed {
			l.skip(f.Name, "it is not where the archive's directory says")
			continue
		}
		l.add(m)
	}
	return nil
}

// zip has r read a member of a zip archive, with its checksum.
func (r *reader) zip(f io.ReaderAt, m *Member) {
	packed := io.NewSectionReader(f, m.at, m.packed)
	r.from = packed
	var more io.ReadCloser
	if m.how == zipDeflated {
		more = flate.NewReader(packed)
		r.from, r.done = flateReader{more}, func() { more.Close() }
	}
	sum := crc32.NewIEEE()
	r.sum = sum
	r.check = func() error {
		if more != nil {
			switch _, err := io.ReadFull(r.from, make([]byte, 1)); err {
			case io.EOF:
			case nil:
				return fmt.Errorf("%w: more bytes than the %d of its entry", ErrDamaged, m.Size)
			default:
				return damaged(err)
			}
		}
		if sum.Sum32() != m.crc {
			return fmt.Errorf("%w: its bytes have another checksum", ErrDamaged)
		}
		return nil
	}
}

// flateReader is a reader of a deflate stream whose damage is errDeflate.
type flateReader struct{ r io.Reader }

func (f flateReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if corrupt := flate.CorruptInputError(0); errors.As(err, &corrupt) {
		err = errDeflate
	}
	return n, err
}
