package ptfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// The records of a zip file that we read, by signature and fixed size.
const (
	localSignature     = "PK\x03\x04"
	centralSignature   = "PK\x01\x02"
	endSignature       = "PK\x05\x06"
	end64Signature     = "PK\x06\x06"
	locator64Signature = "PK\x06\x07"

	localSize     = 30
	centralSize   = 46
	endSize       = 22
	end64Size     = 56
	locator64Size = 20

	maxComment = math.MaxUint16
)

// maxDirectory bounds the zip directory: RN50x64's has 0.2 MiB.
const maxDirectory = 64 << 20

// maxRecord bounds a record's name, in bytes; torch's have some hundred.
const maxRecord = 512

// zipRecord is an entry of a zip directory.
type zipRecord struct {
	name   string
	flags  uint16
	method uint16
	crc    uint32
	stored int64 // bytes in the file
	size   int64 // bytes when inflated
	header int64 // offset of the local header
}

// archive is a zip file's directory. Its records are not yet checked against
// their local headers; locate does that for one.
type archive struct {
	r         io.ReaderAt
	records   map[string]zipRecord
	names     []string // in the directory's order
	directory int64    // offset of the directory; every record ends before
}

// readArchive reads the directory of the zip file r of the given size. Names
// must be clean relative paths, each given once.
func readArchive(r io.ReaderAt, size int64) (*archive, error) {
	count, length, at, err := readEnd(r, size)
	if err != nil {
		return nil, err
	}
	if length > maxDirectory || count > length/centralSize {
		return nil, fmt.Errorf("zip directory of %d bytes for %d entries, want %d bytes at most and %d an entry at least",
			length, count, maxDirectory, centralSize)
	}
	data := make([]byte, length)
	if err := readFull(r, data, at); err != nil {
		return nil, fmt.Errorf("zip directory: %w", err)
	}
	a := &archive{r: r, records: make(map[string]zipRecord, count), directory: at}
	for i := range count {
		place := at + length - int64(len(data))
		rec, rest, err := parseCentral(data)
		if err != nil {
			return nil, fmt.Errorf("zip directory: entry %d at byte %d: %w", i, place, err)
		}
		if !cleanName(rec.name) {
			return nil, fmt.Errorf("zip directory: entry %d is named %s, want a clean relative path of at most %d bytes", i, foreign.Quote(rec.name), maxRecord)
		}
		if _, twice := a.records[rec.name]; twice {
			return nil, fmt.Errorf("zip directory: two entries are named %s", foreign.Name(rec.name))
		}
		a.records[rec.name] = rec
		a.names = append(a.names, rec.name)
		data = rest
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("zip directory: %d bytes after its %d entries", len(data), count)
	}
	return a, nil
}

// readEnd finds the directory: its number of entries, length and offset. The
// 64-bit record counts where there is one, as torch always writes it.
func readEnd(r io.ReaderAt, size int64) (count, length, at int64, err error) {
	tail := make([]byte, min(size, locator64Size+endSize+maxComment))
	base := size - int64(len(tail))
	if err := readFull(r, tail, base); err != nil {
		return 0, 0, 0, err
	}
	e := len(tail) - endSize
	for ; e >= 0; e-- {
		if string(tail[e:e+4]) == endSignature && int(binary.LittleEndian.Uint16(tail[e+20:])) == len(tail)-e-endSize {
			break
		}
	}
	if e < 0 {
		return 0, 0, 0, incomplete("zip file without end record: truncated?")
	}
	end := tail[e : e+endSize]
	disks := binary.LittleEndian.Uint32(end[4:]) // both disk numbers
	entries, all := int64(binary.LittleEndian.Uint16(end[8:])), int64(binary.LittleEndian.Uint16(end[10:]))
	length, at = int64(binary.LittleEndian.Uint32(end[12:])), int64(binary.LittleEndian.Uint32(end[16:]))
	limit := base + int64(e)
	if l := e - locator64Size; l >= 0 && string(tail[l:l+4]) == locator64Signature {
		place := int64(binary.LittleEndian.Uint64(tail[l+8:]))
		if place < 0 || place > base+int64(l)-end64Size {
			return 0, 0, 0, fmt.Errorf("zip64 end record at byte %d, which is outside the file's first %d", place, base+int64(l))
		}
		end64 := make([]byte, end64Size)
		if err := readFull(r, end64, place); err != nil {
			return 0, 0, 0, err
		}
		if string(end64[:4]) != end64Signature {
			return 0, 0, 0, fmt.Errorf("no zip64 end record at byte %d", place)
		}
		disks |= binary.LittleEndian.Uint32(end64[16:]) | binary.LittleEndian.Uint32(end64[20:])
		entries, all = int64(binary.LittleEndian.Uint64(end64[24:])), int64(binary.LittleEndian.Uint64(end64[32:]))
		length, at = int64(binary.LittleEndian.Uint64(end64[40:])), int64(binary.LittleEndian.Uint64(end64[48:]))
		limit = place
	}
	if disks != 0 || entries != all {
		return 0, 0, 0, fmt.Errorf("zip file of several parts")
	}
	if entries < 0 || length < 0 || at < 0 || at > limit || length > limit-at {
		return 0, 0, 0, fmt.Errorf("zip directory of %d bytes at byte %d, which ends beyond byte %d", length, at, limit)
	}
	return entries, length, at, nil
}

// parseCentral reads the directory entry that data begins with.
func parseCentral(data []byte) (rec zipRecord, rest []byte, err error) {
	if len(data) < centralSize || string(data[:4]) != centralSignature {
		return rec, nil, fmt.Errorf("no entry")
	}
	le := binary.LittleEndian
	rec = zipRecord{
		flags:  le.Uint16(data[8:]),
		method: le.Uint16(data[10:]),
		crc:    le.Uint32(data[16:]),
		stored: int64(le.Uint32(data[20:])),
		size:   int64(le.Uint32(data[24:])),
		header: int64(le.Uint32(data[42:])),
	}
	name, extra, comment := int(le.Uint16(data[28:])), int(le.Uint16(data[30:])), int(le.Uint16(data[32:]))
	data = data[centralSize:]
	if len(data) < name+extra+comment {
		return rec, nil, fmt.Errorf("it ends beyond the directory")
	}
	rec.name = string(data[:name])
	if err := rec.widen(data[name : name+extra]); err != nil {
		return rec, nil, err
	}
	return rec, data[name+extra+comment:], nil
}

// widen replaces the sizes and the offset that did not fit 32 bits by those of
// the zip64 extra field, which holds them in this order.
func (rec *zipRecord) widen(extra []byte) error {
	const zip64 = 1
	var wide []*int64
	for _, p := range []*int64{&rec.size, &rec.stored, &rec.header} {
		if *p == math.MaxUint32 {
			wide = append(wide, p)
		}
	}
	for len(wide) > 0 {
		if len(extra) < 4 || len(extra)-4 < int(binary.LittleEndian.Uint16(extra[2:])) {
			return fmt.Errorf("no zip64 field, though a size needs it")
		}
		id, field := binary.LittleEndian.Uint16(extra), extra[4:4+binary.LittleEndian.Uint16(extra[2:])]
		extra = extra[4+len(field):]
		if id != zip64 {
			continue
		}
		if len(field) < 8*len(wide) {
			return fmt.Errorf("zip64 field of %d bytes, want %d", len(field), 8*len(wide))
		}
		for i, p := range wide {
			*p = int64(binary.LittleEndian.Uint64(field[8*i:]))
		}
		wide = nil
	}
	if rec.size < 0 || rec.stored < 0 || rec.header < 0 {
		return fmt.Errorf("sizes %d and %d, offset %d: beyond 63 bits", rec.size, rec.stored, rec.header)
	}
	return nil
}

// cleanName says whether an entry's name is a relative path without detours;
// an entry for a folder ends in a slash.
func cleanName(name string) bool {
	trimmed := strings.TrimSuffix(name, "/")
	return len(name) <= maxRecord && printable(name) && !strings.ContainsAny(name, `\:`) && !path.IsAbs(name) &&
		trimmed != "" && path.Clean(trimmed) == trimmed && trimmed != ".." && !strings.HasPrefix(trimmed, "../")
}

// locate checks that a record is plainly stored, that its local header agrees,
// and that its bytes lie before the directory. It returns their offset.
func (a *archive) locate(name string) (rec zipRecord, at int64, err error) {
	rec, ok := a.records[name]
	if !ok {
		return rec, 0, fmt.Errorf("no record %s", foreign.Name(name))
	}
	fail := func(format string, args ...any) (zipRecord, int64, error) {
		return rec, 0, fmt.Errorf("record %s: %w", foreign.Name(name), fmt.Errorf(format, args...))
	}
	const encrypted = 1
	switch {
	case rec.flags&encrypted != 0:
		return fail("it is encrypted")
	case rec.method != 0:
		return fail("compressed by method %d; torch stores records uncompressed", rec.method)
	case rec.stored != rec.size:
		return fail("%d bytes stored for %d bytes", rec.stored, rec.size)
	case rec.header > a.directory-localSize:
		return fail("its header at byte %d is not before the directory at %d", rec.header, a.directory)
	}
	header := make([]byte, localSize)
	if err := readFull(a.r, header, rec.header); err != nil {
		return fail("%w", err)
	}
	le := binary.LittleEndian
	if string(header[:4]) != localSignature {
		return fail("no header at byte %d", rec.header)
	}
	if le.Uint16(header[6:])&encrypted != 0 || le.Uint16(header[8:]) != 0 {
		return fail("the header at byte %d says encrypted or compressed, the directory does not", rec.header)
	}
	length, extra := int64(le.Uint16(header[26:])), int64(le.Uint16(header[28:]))
	at = rec.header + localSize + length + extra
	if at > a.directory || rec.size > a.directory-at {
		return fail("%d bytes at byte %d, which end beyond byte %d", rec.size, at, a.directory)
	}
	local := make([]byte, length)
	if err := readFull(a.r, local, rec.header+localSize); err != nil {
		return fail("%w", err)
	}
	if string(local) != name {
		return fail("the header at byte %d names %s", rec.header, foreign.Quote(string(local)))
	}
	return rec, at, nil
}

// read returns the whole of a record of at most limit bytes, its CRC-32
// verified.
func (a *archive) read(name string, limit int64) ([]byte, error) {
	rec, at, err := a.locate(name)
	if err != nil {
		return nil, err
	}
	if rec.size > limit {
		return nil, fmt.Errorf("record %s: %d bytes, want at most %d", foreign.Name(name), rec.size, limit)
	}
	data := make([]byte, rec.size)
	if err := readFull(a.r, data, at); err != nil {
		return nil, fmt.Errorf("record %s: %w", foreign.Name(name), err)
	}
	if sum := crc32.ChecksumIEEE(data); sum != rec.crc {
		return nil, fmt.Errorf("record %s: CRC-32 is %08x, want %08x", foreign.Name(name), sum, rec.crc)
	}
	return data, nil
}
