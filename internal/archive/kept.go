package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
)

// A tar archive has its headers between its members: to list one at an address is to read
// all of it. So its list is kept, and holds for as long as the object there has the same
// size and the same tag, or time. It has every file of the archive, whatever was wanted.

// Listings is a folder of lists of tar archives at addresses. The zero value keeps none.
type Listings struct {
	Dir   string       // need not exist; empty keeps none
	Store *cache.Store // how lists are written
	Limit int64        // bytes of all lists; the longest unused are removed
}

type listingsKey struct{}

// WithListings returns a context whose Open uses the lists.
func WithListings(ctx context.Context, l Listings) context.Context {
	return context.WithValue(ctx, listingsKey{}, l)
}

func listingsOf(ctx context.Context) Listings {
	l, _ := ctx.Value(listingsKey{}).(Listings)
	return l
}

const (
	listingVersion = 2 // lists of version 1 may be of archives that are cut after an extension header
	listingSuffix  = ".list"
)

// mostListing bounds a list, in bytes; longer ones are not kept.
var mostListing int64 = 256 << 20 // a variable for tests

// listing is a list on its way to the folder or from it.
type listing struct {
	head    listingHead
	entries []byte // each: distance from the end of the one before, size, kind, length of the name, the name
	end     int64
	full    bool // too long to be kept
}

// listingHead is the first line of the file. The entries follow, and at the end the CRC-32C
// of all that, big-endian.
type listingHead struct {
	Version int    `json:"version"`
	Archive string `json:"archive"` // the address and what identifies the object there
	Size    int64  `json:"size"`    // its bytes
	Entries int    `json:"entries"`
	NoEnd   bool   `json:"no_end_mark,omitempty"`
	Behind  bool   `json:"bytes_behind,omitempty"`
}

func (l *listing) add(e record) {
	if l.full = l.full || int64(len(l.entries)) > mostListing; l.full {
		return
	}
	l.entries = binary.AppendVarint(l.entries, e.at-l.end)
	l.entries = binary.AppendUvarint(l.entries, uint64(e.size))
	l.entries = append(l.entries, byte(e.kind))
	l.entries = binary.AppendUvarint(l.entries, uint64(len(e.name)))
	l.entries = append(l.entries, e.name...)
	l.end = e.at + e.size
	l.head.Entries++
}

var errListing = errors.New("not a list that was kept")

// each calls do for every entry.
func (l *listing) each(do func(record) error) error {
	rest, end, n := l.entries, int64(0), 0
	varint := func(read func([]byte) (int64, int)) (v int64) {
		v, k := read(rest)
		if k <= 0 {
			rest = nil
			return -1
		}
		rest = rest[k:]
		return v
	}
	unsigned := func(b []byte) (int64, int) {
		v, k := binary.Uvarint(b)
		return int64(v), k
	}
	for ; len(rest) > 0; n++ {
		e := record{at: end + varint(binary.Varint), size: varint(unsigned)}
		if len(rest) == 0 || e.at < 0 || e.size < 0 || e.at+e.size < 0 || rest[0] > byte(recordOther) {
			return errListing
		}
		e.kind, rest = recordKind(rest[0]), rest[1:]
		length := varint(unsigned)
		if length < 0 || length > int64(len(rest)) {
			return errListing
		}
		e.name, rest = string(rest[:length]), rest[length:]
		if end = e.at + e.size; e.kind == recordFile && end > l.head.Size {
			return errListing
		}
		if err := do(e); err != nil {
			return err
		}
	}
	if n != l.head.Entries {
		return errListing
	}
	return nil
}

func (k Listings) path(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return filepath.Join(k.Dir, hex.EncodeToString(sum[:16])+listingSuffix)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// find returns the list of an archive; nil if there is none that is whole.
func (k Listings) find(identity string, size int64) *listing {
	if k.Dir == "" || identity == "" {
		return nil
	}
	path := k.path(identity)
	data, err := foreign.ReadFile(path, 2*mostListing)
	if err != nil {
		return nil
	}
	l, err := parseListing(data)
	if err != nil || l.head.Archive != identity || l.head.Size != size {
		return nil
	}
	now := time.Now()
	os.Chtimes(path, now, now) // that it was used; where that fails it is removed sooner
	return l
}

// parseListing reads a file's bytes. Its entries are left to each.
func parseListing(data []byte) (*listing, error) {
	const sum = 4
	line := bytes.IndexByte(data, '\n')
	if line < 0 || len(data)-sum <= line || binary.BigEndian.Uint32(data[len(data)-sum:]) != crc32.Checksum(data[:len(data)-sum], castagnoli) {
		return nil, errListing
	}
	l := &listing{entries: data[line+1 : len(data)-sum]}
	if json.Unmarshal(data[:line], &l.head) != nil || l.head.Version != listingVersion || l.head.Size < 0 {
		return nil, errListing
	}
	return l, nil
}

// keeping is held while a list is written: several archives may be listed at once, and each makes
// room for its own.
var keeping sync.Mutex

// keep writes a list. That it cannot be written costs time and nothing else.
func (k Listings) keep(l *listing, identity string, size int64) {
	if k.Dir == "" || identity == "" || l.full {
		return
	}
	keeping.Lock()
	defer keeping.Unlock()
	l.head.Version, l.head.Archive, l.head.Size = listingVersion, identity, size
	head, err := json.Marshal(l.head)
	if err != nil || os.MkdirAll(k.Dir, 0o777) != nil {
		return
	}
	data := slices.Concat(head, []byte("\n"), l.entries)
	data = binary.BigEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	if !k.room(int64(len(data))) {
		return
	}
	k.Store.WriteFile(k.path(identity), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// room removes lists that were not used for longest until there is room for one more.
func (k Listings) room(size int64) bool {
	entries, err := os.ReadDir(k.Dir)
	if err != nil || size > k.Limit {
		return false
	}
	var lists []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), listingSuffix) {
			lists = append(lists, info)
			size += info.Size()
		}
	}
	slices.SortFunc(lists, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, old := range lists {
		if size <= k.Limit {
			break
		}
		if os.Remove(filepath.Join(k.Dir, old.Name())) == nil {
			size -= old.Size()
		}
	}
	return size <= k.Limit
}
