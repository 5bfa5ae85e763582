// Package archive reads tar, tar.gz and zip archives without unpacking them to files.
//
// Open lists an archive once, from end to end or by its directory, and keeps where the
// wanted members are; Member.Open then reads one of them, in any order and from many
// goroutines. An archive that was compressed as a whole is read from the nearest of
// some places that were kept while it was listed.
//
// Archives are strangers': nothing is ever written to a file, whatever a member is
// called. Members are bounded in name, size and number. The list takes about 200 bytes and
// the name of each member that is wanted. In an archive that was compressed as a whole
// headers may take next to nothing, so that its list can be several hundred times as large
// as the file; only the bounds, and those of unpacking, hold there. What no
// reader could use is a Skipped with its reason: links, devices, names that lead out of
// the archive, sizes that cannot be true. An archive that is cut short, or whose headers
// are damaged, is an error as a whole, as nobody can tell what is missing.
package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/blob"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/remote"
)

// ErrDamaged is wrapped by errors of reading a member whose bytes are not what the
// archive says of them. Others are of the archive's file.
var ErrDamaged = errors.New("damaged in the archive")

const (
	mostName = 4096 // bytes of a member's name

	// A member of more than freeSize bytes is refused if it has more than mostSize times
	// as many as it takes in the archive.
	freeSize = 64 << 20
	mostSize = 64

	mostSkipped = 10_000 // members that are named in Skipped; others are counted
)

// Bounds of all members that are wanted, used or not.
var (
	mostMembers       = 10_000_000
	mostNames   int64 = 1 << 30 // bytes of their names
)

// An Archive is a list of members.
type Archive struct {
	Path    string    // or address
	Members []Member  // in the order of the archive
	Skipped []Skipped // at most about mostSkipped

	listed blob.Listed
	index  *gzipIndex // nil unless it is compressed as a whole
}

// A Member is a file in an archive.
type Member struct {
	Name string // with slashes, clean; of several members of one name the last is kept
	Size int64  // bytes

	at     int64 // of the first byte
	packed int64 // bytes in the archive
	crc    uint32
	how    uint8
}

// How members are stored.
const (
	plain = iota
	zipStored
	zipDeflated
)

// A Skipped is a member that was left out.
type Skipped struct {
	Name   string // as the archive has it; empty of the archive itself
	Reason string
}

// Is reports whether a file that begins with head is an archive, and which.
func Is(head []byte) (kind string, ok bool) {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "tar.gz", true
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return "zip", true
	case isTar(head):
		return "tar", true
	}
	return "", false
}

// noArchive is the error of a file that begins with head, all of it if it is shorter than that.
func noArchive(head []byte) error {
	mistaken := foreign.Mistaken(head)
	switch {
	case len(head) == 0:
		return hinted{errors.New("the file is empty, want a .tar, .tar.gz or .zip"), copyAgain}
	case foreign.IsTar(head) && len(head) < tarBlock:
		return errCut
	case foreign.IsTar(head):
		return hinted{errors.New("the header at byte 0 is damaged"), copyAgain}
	case mistaken == nil:
		mistaken = errors.New("not an archive")
	}
	return fmt.Errorf("%w, want a .tar, .tar.gz or .zip", mistaken)
}

// HeadBytes is how many bytes of a file Is needs.
const HeadBytes = 512

// Named reports whether a file's name is that of an archive.
func Named(name string) bool {
	lower := strings.ToLower(remote.Shown(name))
	return slices.ContainsFunc([]string{".tar", ".tar.gz", ".tgz", ".zip"}, func(suffix string) bool { return strings.HasSuffix(lower, suffix) })
}

// Open lists the members of an archive that keep wants. It is asked of every file by
// its name. Errors name the archive.
func Open(ctx context.Context, path string, keep func(name string) bool) (*Archive, error) {
	listed, file, err := blob.List(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a := &Archive{Path: path, listed: listed}
	kept := listingsOf(ctx)
	if known := kept.find(listed.Identity(), listed.Size); known != nil {
		l := &lister{ctx: ctx, a: a, keep: keep, last: map[string]int{}}
		if err := l.known(known); err == nil {
			l.finish()
			return a, nil
		}
		a = &Archive{Path: path, listed: listed}
	}
	head := make([]byte, HeadBytes)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", remote.Shown(path), err)
	}
	l := &lister{ctx: ctx, a: a, keep: keep, last: map[string]int{}}
	switch kind, _ := Is(head[:n]); kind {
	case "tar":
		l.all = &listing{full: listed.Identity() == ""}
		if err = l.tar(&seeker{src: file, size: listed.Size}); err == nil {
			kept.keep(l.all, listed.Identity(), listed.Size)
		}
	case "tar.gz":
		err = l.gzip(file)
	case "zip":
		err = l.zip(file)
	default:
		err = noArchive(head[:n])
	}
	if err == nil {
		err = l.check() // of the last member
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", remote.Shown(path), err)
	}
	l.finish()
	return a, nil
}

// lister lists an archive.
type lister struct {
	ctx  context.Context
	a    *Archive
	keep func(name string) bool
	last map[string]int // places among the members, by name
	all  *listing       // what the archive has, wanted or not; nil if that is not to be kept

	wanted  int   // members, used or not
	names   int64 // bytes of their names
	unnamed int   // skipped members that are not in Skipped
}

// check returns an error if listing is to end before the next member.
func (l *lister) check() error {
	switch {
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case l.wanted > mostMembers:
		return fmt.Errorf("more than %d images and files of labels, want at most that many in an archive", mostMembers)
	case l.names > mostNames:
		return fmt.Errorf("names of more than %d bytes in all, want at most that many in an archive", mostNames)
	}
	return nil
}

// skip leaves a member out, or says something of the archive.
func (l *lister) skip(name, format string, args ...any) {
	if name != "" && len(l.a.Skipped) >= mostSkipped {
		l.unnamed++
		return
	}
	l.a.Skipped = append(l.a.Skipped, Skipped{name, fmt.Sprintf(format, args...)})
}

// admit returns the name under which a member may be kept; ok is false if it is not
// wanted, or was skipped.
func (l *lister) admit(name string) (clean string, ok bool) {
	const shown = 256
	if len(name) > mostName {
		if l.keep(name[len(name)-shown:]) {
			l.wanted++
			l.skip(name[:shown], "a name of %d bytes, want at most %d", len(name), mostName)
		}
		return "", false
	}
	clean = path.Clean(name)
	if !l.keep(clean) {
		return "", false
	}
	l.wanted, l.names = l.wanted+1, l.names+int64(len(clean))
	switch {
	case path.IsAbs(name):
		l.skip(name, "an absolute name, want one below the archive's root")
		return "", false
	case clean == ".." || strings.HasPrefix(clean, "../"):
		l.skip(name, "its name leads out of the archive")
		return "", false
	}
	return clean, true
}

// add keeps a member.
func (l *lister) add(m Member) {
	a := l.a
	switch {
	case m.Size < 0 || m.packed < 0:
		l.skip(m.Name, "a size below zero")
		return
	case m.Size > freeSize && m.Size/mostSize > m.packed:
		l.skip(m.Name, "%d bytes packed in %d, want at most %d times as many", m.Size, m.packed, mostSize)
		return
	}
	if before, ok := l.last[m.Name]; ok {
		a.Members[before].Name = "" // dropped by finish
		l.skip(m.Name, "there is another member of this name behind it, which is used")
	}
	l.last[m.Name] = len(a.Members)
	a.Members = append(a.Members, m)
}

func (l *lister) finish() {
	if l.unnamed > 0 {
		l.skip("", "%d more skipped, too many to name", l.unnamed)
	}
	if used := slices.DeleteFunc(l.a.Members, func(m Member) bool { return m.Name == "" }); len(used) < len(l.a.Members) {
		l.a.Members = slices.Clone(used) // the array may be of many that are not used
	}
}

// There reports whether the archive can be opened. If it is not what was listed, or the server of
// its address does not say, that is an error.
func (a *Archive) There() (bool, error) { return a.listed.There() }

// Exact tells the archive from others, as a blob's does.
func (a *Archive) Exact() string { return a.listed.Exact() }

// Open opens a member, which is to be read once from its first byte to its last, m.Size
// in all. Where the bytes are fewer or others, reading ends with ErrDamaged.
func (a *Archive) Open(m *Member) (io.ReadCloser, error) {
	f, err := a.listed.Open()
	if err != nil {
		return nil, err
	}
	r := &reader{file: f, left: m.Size}
	switch {
	case m.how == plain && a.index == nil:
		r.from = io.NewSectionReader(f, m.at, m.Size)
	case m.how == plain:
		z, err := a.index.section(f, m.at)
		if err != nil {
			f.Close()
			return nil, damaged(err)
		}
		r.from, r.done = z, func() { a.index.giveBack(z) }
	default:
		r.zip(f, m)
	}
	return r, nil
}

// ReadAll reads a member of at most most bytes.
func (a *Archive) ReadAll(m *Member, most int64) ([]byte, error) {
	if m.Size > most {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrDamaged, m.Size, most)
	}
	r, err := a.Open(m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// damaged is the error of bytes that are not as the archive says.
func damaged(err error) error {
	if errors.Is(err, errDeflate) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// reader reads a member.
type reader struct {
	file  io.Closer
	from  io.Reader
	left  int64        // bytes
	check func() error // after the last byte; may be nil
	sum   io.Writer    // sees the bytes; may be nil
	done  func()       // may be nil
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.left == 0 {
		if r.check != nil {
			if err := r.check(); err != nil {
				return 0, err
			}
		}
		return 0, io.EOF
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	switch {
	case err == io.EOF && r.left > 0:
		err = damaged(io.ErrUnexpectedEOF)
	case err == io.EOF:
		err = nil
	case err != nil:
		err = damaged(err)
	}
	return n, err
}

func (r *reader) Close() error {
	if r.done != nil {
		r.done()
	}
	return r.file.Close()
}
