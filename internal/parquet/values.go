package parquet

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"strconv"

	"github.com/parquet-go/parquet-go/format"
)

// plainDictionary is what older writers call both the encoding of a dictionary, which is
// plain, and that of places in it.
const plainDictionary = format.Encoding(2)

// A value is one of a column.
type value struct {
	data []byte // nil: null. Good until the next page is read
	page int    // of those that were read, from 0
	at   int    // of data in the page, unpacked
}

// A chunk is a column of a row group, whose pages are read one after another.
type chunk struct {
	src    io.ReaderAt
	column *column
	codec  codec
	at     int64 // of the next page
	end    int64
	left   int // values
	pages  []page
	dict   []value // of the dictionary; nil if there was none
}

// openChunk returns a column of a row group of rows rows, in a file of size bytes.
func openChunk(src io.ReaderAt, size int64, g *format.RowGroup, c *column) (*chunk, error) {
	if c.place >= len(g.Columns) {
		return nil, fmt.Errorf("%d columns, want more than %d", len(g.Columns), c.place)
	}
	m := &g.Columns[c.place].MetaData
	if g.Columns[c.place].FilePath != "" {
		return nil, fmt.Errorf("column %s is in another file", c.name)
	}
	if m.Type != c.kind {
		return nil, fmt.Errorf("column %s has type %v, want %v as in the schema", c.name, m.Type, c.kind)
	}
	if m.NumValues != g.NumRows {
		return nil, fmt.Errorf("column %s has %d values, want %d", c.name, m.NumValues, g.NumRows)
	}
	r := &chunk{src: src, column: c, codec: codec(m.Codec), at: m.DataPageOffset, left: int(g.NumRows)}
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < r.at {
		r.at = m.DictionaryPageOffset
	}
	if r.at < 0 || m.TotalCompressedSize < 0 || r.at > size-m.TotalCompressedSize {
		return nil, fmt.Errorf("column %s is not where the directory says", c.name)
	}
	r.end = r.at + m.TotalCompressedSize
	return r, r.codec.check()
}

// each calls visit for each value of the chunk, in order.
func (r *chunk) each(visit func(value) error) error {
	for r.left > 0 {
		if err := r.page(visit); err != nil {
			return fmt.Errorf("column %s: %w", r.column.name, err)
		}
	}
	return nil
}

// mostHeader bounds the header of a page, which may hold its smallest and largest values.
const mostHeader = 16 << 20

// header reads the header of the next page, and steps over it.
func (r *chunk) header() (*format.PageHeader, error) {
	for n := int64(4096); ; n *= 16 {
		n = min(n, r.end-r.at, mostHeader)
		head := make([]byte, n)
		if _, err := r.src.ReadAt(head, r.at); err != nil && err != io.EOF {
			return nil, err
		}
		h := new(format.PageHeader)
		taken, err := decode(head, h)
		if err == nil {
			r.at += int64(taken)
			return h, nil
		}
		if n == r.end-r.at || n == mostHeader {
			return nil, fmt.Errorf("%w: the header of a page: %w", ErrDamaged, err)
		}
	}
}

// page reads the next page, and visits its values if it has any.
func (r *chunk) page(visit func(value) error) error {
	h, err := r.header()
	if err != nil {
		return err
	}
	if err := checkSizes(h.CompressedPageSize, h.UncompressedPageSize); err != nil {
		return err
	}
	packed, size := int(h.CompressedPageSize), int(h.UncompressedPageSize)
	if int64(packed) > r.end-r.at {
		return fmt.Errorf("%w: a page of %d bytes, but %d are left", ErrDamaged, packed, r.end-r.at)
	}
	body := make([]byte, packed)
	if _, err := r.src.ReadAt(body, r.at); err != nil && err != io.EOF {
		return err
	}
	if h.CRC != 0 && crc32.ChecksumIEEE(body) != uint32(h.CRC) {
		return fmt.Errorf("%w: a page has another checksum", ErrDamaged)
	}
	from := r.at
	r.at += int64(packed)

	// Levels of the second version are before what is compressed.
	levels, how := 0, r.codec
	if v2 := h.DataPageHeaderV2; h.Type == format.DataPageV2 && v2.Valid {
		if v2.V.RepetitionLevelsByteLength != 0 || v2.V.DefinitionLevelsByteLength < 0 || int(v2.V.DefinitionLevelsByteLength) > min(packed, size) {
			return fmt.Errorf("%w: levels of %d bytes in a page of %d", ErrDamaged, v2.V.DefinitionLevelsByteLength, packed)
		}
		levels = int(v2.V.DefinitionLevelsByteLength)
		if v2.V.IsCompressed.Valid && !v2.V.IsCompressed.V {
			how = uncompressed
		}
	}
	data, err := how.unpack(body[levels:], size-levels)
	if err != nil {
		return err
	}
	p := page{at: from + int64(levels), packed: int32(packed - levels), size: int32(size - levels), codec: how}

	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		if r.dict != nil {
			return fmt.Errorf("%w: a second dictionary", ErrDamaged)
		}
		d := h.DictionaryPageHeader.V
		if d.Encoding != format.Plain && d.Encoding != plainDictionary {
			return unknown(d.Encoding)
		}
		if d.NumValues < 0 || int(d.NumValues) > r.left {
			return fmt.Errorf("%w: a dictionary of %d values for %d", ErrDamaged, d.NumValues, r.left)
		}
		r.pages = append(r.pages, p)
		r.dict = []value{}
		return r.plain(data, 0, int(d.NumValues), func(v value) error {
			r.dict = append(r.dict, v)
			return nil
		})
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		d := h.DataPageHeader.V
		return r.data(p, data, d.Encoding, d.DefinitionLevelEncoding, int(d.NumValues), nil, visit)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		d := h.DataPageHeaderV2.V
		return r.data(p, data, d.Encoding, format.RLE, int(d.NumValues), body[:levels], visit)
	case h.Type == format.IndexPage:
		return nil
	}
	return fmt.Errorf("%w: a page of unknown type %v", ErrDamaged, h.Type)
}

// data visits the n values of a page. The levels of its first version are at its beginning.
func (r *chunk) data(p page, data []byte, encoding, levelEncoding format.Encoding, n int, levels []byte, visit func(value) error) error {
	if n < 0 || n > r.left {
		return fmt.Errorf("%w: a page of %d values, but %d are left", ErrDamaged, n, r.left)
	}
	r.left -= n
	r.pages = append(r.pages, p)
	there := []uint32(nil) // definition level of each value; nil: all are there
	start := 0
	if most := r.column.levels; most > 0 {
		if levels == nil {
			if levelEncoding != format.RLE {
				return unknown(levelEncoding)
			}
			if len(data) < 4 || int64(binary.LittleEndian.Uint32(data)) > int64(len(data)-4) {
				return fmt.Errorf("%w: levels of a page are longer than it is", ErrDamaged)
			}
			start = 4 + int(binary.LittleEndian.Uint32(data))
			levels = data[4:start]
		}
		var err error
		if there, err = runs(levels, bits.Len(uint(most)), n); err != nil {
			return err
		}
	}
	isThere := func(i int) bool { return there == nil || int(there[i]) == r.column.levels }
	present := n
	for i := range n {
		if !isThere(i) {
			present--
		}
	}
	next := 0
	upTo := func(end int) error { // nulls before the next value that is there
		for ; next < end && !isThere(next); next++ {
			if err := visit(value{}); err != nil {
				return err
			}
		}
		return nil
	}
	give := func(v value) error {
		if err := upTo(n); err != nil {
			return err
		}
		next++
		return visit(v)
	}
	var err error
	switch encoding {
	case format.Plain:
		err = r.plain(data, start, present, give)
	case format.DeltaLengthByteArray:
		err = r.deltaLengths(data, start, present, give)
	case plainDictionary, format.RLEDictionary:
		err = r.indexed(data[start:], present, give)
	default:
		err = unknown(encoding)
	}
	if err != nil {
		return err
	}
	return upTo(n)
}

func unknown(e format.Encoding) error {
	return hinted{
		fmt.Errorf("values encoded as %v, want PLAIN, DELTA_LENGTH_BYTE_ARRAY or a dictionary", e),
		"write the file again without a special encoding, as Hugging Face's library and pyarrow do by default",
	}
}

// plain visits n values that follow each other in data from start on.
func (r *chunk) plain(data []byte, start, n int, visit func(value) error) error {
	at := start
	for range n {
		size := 0
		switch r.column.kind {
		case format.Int32:
			size = 4
		case format.Int64:
			size = 8
		default:
			if len(data)-at < 4 {
				return tooFew(n, len(data)-start)
			}
			stated := int64(binary.LittleEndian.Uint32(data[at:]))
			if at += 4; stated > int64(len(data)-at) {
				return tooFew(n, len(data)-start)
			}
			size = int(stated)
		}
		if len(data)-at < size {
			return tooFew(n, len(data)-start)
		}
		if err := visit(value{data[at : at+size : at+size], len(r.pages) - 1, at}); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// deltaLengths visits n values whose lengths are in data from start on, and whose bytes
// follow them.
func (r *chunk) deltaLengths(data []byte, start, n int, visit func(value) error) error {
	if r.column.kind != format.ByteArray {
		return unknown(format.DeltaLengthByteArray)
	}
	lengths, taken, err := deltas(data[start:], n)
	if err != nil {
		return err
	}
	at := start + taken
	for _, size := range lengths {
		if size < 0 || size > int64(len(data)-at) {
			return tooFew(n, len(data)-start)
		}
		end := at + int(size)
		if err := visit(value{data[at:end:end], len(r.pages) - 1, at}); err != nil {
			return err
		}
		at = end
	}
	return nil
}

func tooFew(n, size int) error {
	return fmt.Errorf("%w: %d values in %d bytes", ErrDamaged, n, size)
}

// indexed visits n values that are given by their places in the dictionary.
func (r *chunk) indexed(data []byte, n int, visit func(value) error) error {
	if n == 0 {
		return nil
	}
	if len(data) == 0 {
		return tooFew(n, 0)
	}
	places, err := runs(data[1:], int(data[0]), n)
	if err != nil {
		return err
	}
	for _, place := range places {
		if int64(place) >= int64(len(r.dict)) {
			return fmt.Errorf("%w: value %d of a dictionary of %d", ErrDamaged, place, len(r.dict))
		}
		if err := visit(r.dict[place]); err != nil {
			return err
		}
	}
	return nil
}

// number is a label that is a number, as a text. Those below zero stand for no label, as in
// the test sets on Hugging Face.
func (v value) number() string {
	var n int64
	if len(v.data) == 4 {
		n = int64(int32(binary.LittleEndian.Uint32(v.data)))
	} else {
		n = int64(binary.LittleEndian.Uint64(v.data))
	}
	if n < 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
