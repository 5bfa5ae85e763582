// Package imagelist reads and writes kept lists of images: what a data set holds, in order,
// so that a run need not look at all of it to know its own part.
//
// A list is a file. It begins with Magic. Blocks of BlockEntries entries follow, the last one
// of what is left, each with its CRC-32C, then the head as JSON, its length in 8 bytes, and its
// CRC-32C. Numbers of fixed length are big-endian. An entry is, numbers in unsigned LEB128:
//
//	store   the number of its store from 1, or 0 of a file
//	size    its bytes plus 1, or 0 if it could not be opened
//	label   the number of its class from 1, or 0 for none
//	name    its length in bytes, and the name
//	path    its length in bytes, and the path; 0 where it follows from the name
package imagelist

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/clipnh/clipnh/internal/foreign"
)

// Magic is the first line of a list.
const Magic = "CLIPNH image list 1\n"

// BlockEntries is how many entries are read together.
const BlockEntries = 4096

// Bounds of what is read.
const (
	maxHead = 256 << 20 // bytes: what could not be listed is in it
	maxText = 64 << 10  // of a name or a path
)

// minEntry is how many bytes an entry has at least: so memory for entries is bounded by the file.
const minEntry = 5

// tailBytes are those behind the head: its length, 8 bytes, and its CRC-32C.
const tailBytes = 12

// An Entry is an image.
type Entry struct {
	Name  string // below the data set's root, with slashes; in a store, below its name
	Path  string // empty where it follows from the name
	Size  int64  // bytes; -1: it could not be opened
	Label int    // -1: none
	Store int    // index into Head.Stores; -1: it is a file of its own
}

// A Store is a file that holds images: an archive, or a Parquet file.
type Store struct {
	Path string `json:"path"` // absolute, or an address
	Name string `json:"name"` // with which its images' names begin
}

// Skipped is what could not be listed.
type Skipped struct {
	Path   string `json:"path"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Head is what a list says of all images.
type Head struct {
	Dataset     string    `json:"dataset"`             // its kind
	LabelKey    string    `json:"label_key,omitempty"` // the name of labels that was given
	DataPath    string    `json:"data_path"`           // as it was given, but absolute
	Base        string    `json:"base"`                // the folder that names of files are below
	Root        string    `json:"root"`                // in messages
	Images      int       `json:"images"`              // entries
	SHA256      string    `json:"images_sha256"`       // of names and sizes, as in manifests
	Names       string    `json:"names_sha256"`        // of names, as in manifests
	Classes     []string  `json:"classes"`
	ClassesFile string    `json:"classes_file"`
	Stores      []Store   `json:"stores"`
	Tables      bool      `json:"tables"`         // the stores are Parquet files
	Ends        []int     `json:"ends,omitempty"` // images before which another store begins; absent of older builds
	Skipped     []Skipped `json:"skipped"`
	Passed      Passed    `json:"passed"`
	Blocks      []int     `json:"blocks"` // bytes of each, with its CRC
}

// Passed counts what was not taken for images.
type Passed struct {
	Files   int    `json:"files"`
	Bare    int    `json:"bare"`
	Folders int    `json:"folders"`
	Inside  int    `json:"inside,omitempty"`
	Split   string `json:"split"`
	Beside  int    `json:"beside"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write writes a list: the entries that each hands over, and at the end the head, which each
// may still fill in, with their number and the blocks.
func Write(w io.Writer, h *Head, each func(add func(Entry) error) error) error {
	out := bufio.NewWriter(w)
	if _, err := out.WriteString(Magic); err != nil {
		return err
	}
	var block []byte
	h.Images, h.Blocks = 0, []int{}
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		block = binary.BigEndian.AppendUint32(block, crc32.Checksum(block, castagnoli))
		_, err := out.Write(block)
		h.Blocks, block = append(h.Blocks, len(block)), block[:0]
		return err
	}
	err := each(func(e Entry) error {
		if len(e.Name) > maxText || len(e.Path) > maxText {
			return fmt.Errorf("%s: a name or path of more than %d bytes", foreign.Name(e.Name[:min(len(e.Name), 64)]), maxText)
		}
		if e.Label >= len(h.Classes) || e.Store >= len(h.Stores) {
			return fmt.Errorf("%s: class %d and archive %d of a list of %d and %d", foreign.Name(e.Name), e.Label, e.Store, len(h.Classes), len(h.Stores))
		}
		block = binary.AppendUvarint(block, uint64(e.Store+1))
		block = binary.AppendUvarint(block, uint64(e.Size+1))
		block = binary.AppendUvarint(block, uint64(e.Label+1))
		for _, text := range []string{e.Name, e.Path} {
			block = append(binary.AppendUvarint(block, uint64(len(text))), text...)
		}
		h.Images++
		if h.Images%BlockEntries == 0 {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(head) > maxHead {
		return fmt.Errorf("%d bytes about all images, want at most %d: too much could not be listed", len(head), maxHead)
	}
	tail := binary.BigEndian.AppendUint64(nil, uint64(len(head)))
	tail = binary.BigEndian.AppendUint32(tail, crc32.Checksum(head, castagnoli))
	if _, err := out.Write(append(head, tail...)); err != nil {
		return err
	}
	return out.Flush()
}

// A File is an open list.
type File struct {
	Head
	path   string
	file   io.ReaderAt
	close  func() error
	starts []int64 // of the blocks, and behind the last
}

// Open opens a list and reads its head.
func Open(path string) (*File, error) {
	file, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		f := &File{path: path, file: file, close: file.Close}
		if err = f.readHead(info.Size()); err == nil {
			return f, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
}

// readHead reads the head of a list of a length.
func (f *File) readHead(size int64) error {
	magic := make([]byte, len(Magic))
	if _, err := f.file.ReadAt(magic, 0); err != nil || string(magic) != Magic {
		return errors.New("not a list of images that clipnh wrote, or of another version")
	}
	behind := size - tailBytes
	tail := make([]byte, tailBytes)
	if behind < int64(len(Magic)) {
		return errDamaged
	}
	if _, err := f.file.ReadAt(tail, behind); err != nil {
		return err
	}
	length := binary.BigEndian.Uint64(tail)
	if length > maxHead || int64(length) > behind-int64(len(Magic)) {
		return errDamaged
	}
	head := make([]byte, length)
	if _, err := f.file.ReadAt(head, behind-int64(length)); err != nil {
		return err
	}
	if crc32.Checksum(head, castagnoli) != binary.BigEndian.Uint32(tail[8:]) {
		return errDamaged
	}
	d := json.NewDecoder(bytes.NewReader(head))
	d.DisallowUnknownFields()
	if err := d.Decode(&f.Head); err != nil {
		return foreign.Short(err)
	}
	return f.findBlocks(behind - int64(length))
}

// errDamaged is returned for a file that was cut, or whose bytes have changed.
var errDamaged = errors.New("damaged: list the images again")

// findBlocks adds up the lengths of the blocks, which end where the head begins.
func (f *File) findBlocks(end int64) error {
	if f.Images < 0 || f.Images/BlockEntries > len(f.Blocks) || (f.Images+BlockEntries-1)/BlockEntries != len(f.Blocks) {
		return errDamaged
	}
	for i, end := range f.Ends {
		if end < 1 || end >= f.Images || i > 0 && end <= f.Ends[i-1] {
			return errDamaged
		}
	}
	at := int64(len(Magic))
	f.starts = append(f.starts, at)
	for b, n := range f.Blocks {
		if n < f.entries(b)*minEntry+4 || int64(n) > end-at {
			return errDamaged
		}
		at += int64(n)
		f.starts = append(f.starts, at)
	}
	if at != end {
		return errDamaged
	}
	return nil
}

// entries is how many entries a block has.
func (f *File) entries(b int) int { return min(BlockEntries, f.Images-b*BlockEntries) }

// Close closes the file.
func (f *File) Close() error { return f.close() }

// Each hands over entries lo to hi, in order. Only their blocks are read.
func (f *File) Each(lo, hi int, do func(i int, e Entry) error) error {
	for b := lo / BlockEntries; b*BlockEntries < hi; b++ {
		first := b * BlockEntries
		err := f.block(b, f.entries(b), func(i int, e Entry) error {
			if first+i < lo || first+i >= hi {
				return nil
			}
			return do(first+i, e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// block hands over the n entries of a block.
func (f *File) block(b, n int, do func(i int, e Entry) error) error {
	data := make([]byte, f.starts[b+1]-f.starts[b])
	if _, err := f.file.ReadAt(data, f.starts[b]); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	rest := data[:len(data)-4]
	if crc32.Checksum(rest, castagnoli) != binary.BigEndian.Uint32(data[len(rest):]) {
		return fmt.Errorf("%s: block %d: %w", f.path, b, errDamaged)
	}
	all := string(rest) // names share its memory
	at := 0
	number := func(most uint64) uint64 {
		v, k := binary.Uvarint(rest[at:])
		if k <= 0 || v > most {
			at = -1
			return 0
		}
		at += k
		return v
	}
	text := func() string {
		k := int(number(maxText))
		if at < 0 || k > len(all)-at {
			at = -1
			return ""
		}
		at += k
		return all[at-k : at]
	}
	for i := range n {
		var e Entry
		for _, field := range []func(){
			func() { e.Store = int(number(uint64(len(f.Stores)))) - 1 },
			func() { e.Size = int64(number(1<<62)) - 1 },
			func() { e.Label = int(number(uint64(len(f.Classes)))) - 1 },
			func() { e.Name = text() },
			func() { e.Path = text() },
		} {
			if field(); at < 0 {
				return fmt.Errorf("%s: block %d: entry %d: %w", f.path, b, i, errDamaged)
			}
		}
		if err := do(i, e); err != nil {
			return err
		}
	}
	if at != len(rest) {
		return fmt.Errorf("%s: block %d: %w", f.path, b, errDamaged)
	}
	return nil
}
