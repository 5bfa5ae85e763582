package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const tarBlock = 512

// isTar reports whether head is the header of a member of a tar archive, by its checksum:
// archives of the oldest kind have no other mark.
func isTar(head []byte) bool {
	if len(head) < tarBlock {
		return false
	}
	const at, n = 148, 8
	field := strings.Trim(string(head[at:at+n]), " \x00")
	want, err := strconv.ParseInt(field, 8, 64)
	if err != nil {
		return false
	}
	var unsigned, signed int64
	for i, c := range head[:tarBlock] {
		if i >= at && i < at+n {
			c = ' '
		}
		unsigned, signed = unsigned+int64(c), signed+int64(int8(c))
	}
	return want == unsigned || want == signed
}

// seeker reads a file, and knows how far it was read.
type seeker struct {
	src      io.ReaderAt
	at, size int64
}

func (s *seeker) Read(p []byte) (int, error) {
	n, err := s.src.ReadAt(p, s.at)
	s.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek is for skipping what is in a member.
func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the first byte")
	}
	s.at = offset
	return offset, nil
}

func (s *seeker) position() int64 { return s.at }
func (s *seeker) packed() int64   { return s.at }

// ended is a tape that knows where the last byte other than zero was.
type ended struct {
	tape
	last int64 // how many bytes there are up to that one, of those that were read
}

func (e *ended) Read(p []byte) (int, error) {
	n, err := e.tape.Read(p)
	if k := len(bytes.TrimRight(p[:n], "\x00")); k > 0 {
		e.last = e.position() - int64(n-k)
	}
	return n, err
}

// ended and a way to skip, for files.
type endedSeeker struct {
	*ended
	io.Seeker
}

// A tape is what a tar archive is read from.
type tape interface {
	io.Reader
	position() int64 // of the next byte
	packed() int64   // how many bytes of the file it took up to there
}

func (i *indexer) position() int64 { return i.z.position() }
func (i *indexer) packed() int64   { return i.z.at }

// gzip lists a tar archive that was compressed as a whole.
func (l *lister) gzip(src io.ReaderAt) error {
	i := newIndexer(l.ctx, src, l.a.listed.Size)
	if err := l.tar(i); err != nil {
		return err
	}
	// To the end, for the checksum.
	var rest nonZero
	_, err := io.Copy(&rest, i)
	if err != nil && !errors.Is(err, errTrailing) {
		return cutShort(err)
	}
	if rest || err != nil {
		l.skip("", bytesBehind)
	}
	l.a.index = i.x
	return nil
}

// bytesBehind is why what follows the end of an archive is skipped, mostly another one.
const bytesBehind = "more bytes behind the archive's end mark, which are not read"

// nonZero is a writer that notes whether a byte was other than zero.
type nonZero bool

func (n *nonZero) Write(p []byte) (int, error) {
	*n = *n || len(bytes.Trim(p, "\x00")) > 0
	return len(p), nil
}

const copyAgain = "copy or download it again"

var errCut = hinted{errors.New("the archive is cut short"), copyAgain}

// cutShort says in our words what ended a listing.
func cutShort(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.Is(err, errDeflate):
		return hinted{errDeflate, copyAgain}
	}
	return err
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }

// tar lists a tar archive.
func (l *lister) tar(t tape) error {
	read := &ended{tape: t}
	r := tar.NewReader(read)
	if s, ok := t.(*seeker); ok {
		r = tar.NewReader(endedSeeker{read, s})
	}
	end := int64(0)  // of the last member's data, or a place before it
	unknown := false // that it is a place before it
	var pending *Member
	settle := func() {
		if pending != nil { // what it took is known once it was read over
			pending.packed = t.packed() - pending.packed
			if _, gz := t.(*indexer); !gz {
				pending.packed = pending.Size
			}
			l.add(*pending)
			pending = nil
		}
	}
	for first := true; ; first = false {
		if err := l.check(); err != nil {
			return err
		}
		h, err := r.Next()
		settle()
		if err == io.EOF {
			break
		}
		if err != nil {
			switch {
			case errors.Is(err, tar.ErrHeader) && first && isGzip(t):
				return errors.New("compressed with gzip, but not a tar archive in it, want a .tar.gz")
			case errors.Is(err, tar.ErrHeader):
				return hinted{fmt.Errorf("the header at or before byte %d is damaged", t.position()), "copy or download it again"}
			}
			return cutShort(err)
		}
		at := t.position()
		sparse := isSparse(h)
		unknown = sparse
		if end = at; hasData(h.Typeflag) && !sparse { // a sparse file's data are of another size
			end += h.Size
		}
		if s, ok := t.(*seeker); ok && (end > s.size || end < at) {
			return cutShort(io.ErrUnexpectedEOF)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		e := record{h.Name, kindOf(h), h.Size, at}
		if l.all != nil {
			l.all.add(e)
		}
		if pending = l.take(e); pending != nil {
			pending.packed = t.packed()
		}
	}
	mark := (end + tarBlock - 1) / tarBlock * tarBlock // the end mark's place
	switch {
	case unknown && t.position() < read.last+2*tarBlock:
		l.noEnd()
	case unknown:
	case read.last > mark: // extension headers without their member, for which tar.Reader has no error
		return cutShort(io.ErrUnexpectedEOF)
	case t.position() < mark+tarBlock:
		l.noEnd()
	}
	if s, ok := t.(*seeker); ok {
		return l.behind(s)
	}
	return nil
}

// behind looks at what follows the end of an archive: zeros, or another archive, which
// is not read.
func (l *lister) behind(s *seeker) error {
	const most = 1 << 20
	rest := make([]byte, min(most, max(s.size-s.at, 0)))
	n, err := s.src.ReadAt(rest, s.at)
	if err != nil && err != io.EOF {
		return err
	}
	if len(bytes.Trim(rest[:n], "\x00")) > 0 {
		l.skip("", bytesBehind)
		if l.all != nil {
			l.all.head.Behind = true
		}
	}
	return nil
}

// noEnd says that an archive ends without its mark.
func (l *lister) noEnd() {
	l.skip("", "the archive has no end mark: it may be cut short")
	if l.all != nil {
		l.all.head.NoEnd = true
	}
}

// A record is what a header says of a file.
type record struct {
	name     string
	kind     recordKind
	size, at int64 // of its data
}

type recordKind byte

const (
	recordFile recordKind = iota
	recordLink
	recordSparse
	recordOther
)

func kindOf(h *tar.Header) recordKind {
	switch {
	case h.Typeflag == tar.TypeLink, h.Typeflag == tar.TypeSymlink:
		return recordLink
	case isSparse(h):
		return recordSparse
	case h.Typeflag != tar.TypeReg:
		return recordOther
	}
	return recordFile
}

// take returns a record that is wanted as a member, whose bytes in the archive are not yet
// known, and nil of others.
func (l *lister) take(e record) *Member {
	name, ok := l.admit(e.name)
	switch {
	case !ok:
	case e.kind == recordLink:
		l.skip(e.name, "a link, want a file")
	case e.kind == recordSparse:
		l.skip(e.name, "a sparse file, which is not read")
	case e.kind == recordOther:
		l.skip(e.name, "not a regular file")
	default:
		return &Member{Name: name, Size: e.size, at: e.at}
	}
	return nil
}

// known lists an archive by a list that was kept.
func (l *lister) known(of *listing) error {
	err := of.each(func(e record) error {
		if m := l.take(e); m != nil {
			m.packed = m.Size
			l.add(*m)
		}
		return l.check()
	})
	if err != nil {
		return err
	}
	if of.head.NoEnd {
		l.noEnd()
	}
	if of.head.Behind {
		l.skip("", bytesBehind)
	}
	return nil
}

func isGzip(t tape) bool { _, ok := t.(*indexer); return ok }

// hasData reports whether members of a kind have data. The others have none, whatever the
// size in their headers.
func hasData(kind byte) bool {
	switch kind {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return false
	}
	return true
}

// isSparse reports whether a member's holes are left out.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}
