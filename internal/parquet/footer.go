package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/clipnh/clipnh/internal/foreign"
)

const (
	tailSize   = 8        // the length of the directory, and magic
	mostFooter = 16 << 20 // bytes of the directory
)

// readFooter reads the directory at the end of a file of size bytes.
func readFooter(src io.ReaderAt, size int64) (*format.FileMetaData, error) {
	if size < int64(len(magic))+tailSize {
		return nil, foreign.Explain(src, "a Parquet file", errors.New("too short for a Parquet file"))
	}
	head, tail := make([]byte, len(magic)), make([]byte, tailSize)
	if _, err := src.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if _, err := src.ReadAt(tail, size-tailSize); err != nil && err != io.EOF {
		return nil, err
	}
	if string(head) != magic {
		if string(head) == "PARE" {
			return nil, errors.New("an encrypted Parquet file, want one that is not")
		}
		return nil, foreign.Explain(src, "a Parquet file", errors.New("not a Parquet file"))
	}
	if string(tail[4:]) != magic {
		return nil, hinted{errors.New("a Parquet file without a directory at its end: it is cut short or damaged"), "copy or download it again"}
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if most := size - int64(len(magic)) - tailSize; n > most {
		return nil, hinted{fmt.Errorf("a directory of %d bytes, want at most %d in this file", n, most), "the file is cut short or damaged: copy or download it again"}
	}
	if n > mostFooter {
		return nil, fmt.Errorf("a directory of %d bytes, want at most %d", n, mostFooter)
	}
	footer := make([]byte, n)
	if _, err := src.ReadAt(footer, size-tailSize-n); err != nil {
		return nil, err
	}
	var meta format.FileMetaData
	if _, err := decode(footer, &meta); err != nil {
		return nil, fmt.Errorf("damaged directory: %w", err)
	}
	if len(meta.Schema) == 0 {
		return nil, errors.New("damaged directory: no columns")
	}
	return &meta, nil
}

// decode decodes a structure of the format at the beginning of b, and returns how many
// bytes it takes.
func decode(b []byte, into any) (n int, err error) {
	r := &bounded{reader: (&thrift.CompactProtocol{}).NewReaderFromBytes(b), size: len(b), structs: 1000 + len(b)/bytesOfStruct}
	defer func() {
		// The decoder is made for files that its own encoder wrote.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFormat, p)
		}
	}()
	err = thrift.NewDecoder(r).Decode(into)
	return r.BytesRead(), err
}

var errFormat = errors.New("not in Parquet's encoding")

// bytesOfStruct is the least that a structure in a list takes on average; those of a
// column of a row group take more than a hundred with what they hold.
const bytesOfStruct = 12

// reader has a method Reader, which a field of that name would hide.
type reader = thrift.Reader

// A bounded reads structures whose lists have no more elements than there can be, as the
// decoder allocates them before it reads them.
type bounded struct {
	reader
	size    int // of what is read
	structs int // that lists may still have
}

func (r *bounded) ReadList() (thrift.List, error) {
	l, err := r.reader.ReadList()
	if err != nil {
		return l, err
	}
	n := int(l.Size)
	if n < 0 || n > r.size-r.BytesRead() {
		return l, fmt.Errorf("%w: a list of %d in %d bytes", errFormat, n, r.size-r.BytesRead())
	}
	if l.Type != thrift.STRUCT {
		return l, nil
	}
	if r.structs -= n; r.structs < 0 {
		return l, fmt.Errorf("%w: too many structures for %d bytes", errFormat, r.size)
	}
	return l, nil
}

func (r *bounded) ReadSet() (thrift.Set, error) {
	l, err := r.ReadList()
	return thrift.Set(l), err
}

func (r *bounded) ReadMap() (thrift.Map, error) {
	m, err := r.reader.ReadMap()
	if err == nil && (m.Size < 0 || int(m.Size) > r.size-r.BytesRead()) {
		err = fmt.Errorf("%w: a map of %d in %d bytes", errFormat, m.Size, r.size-r.BytesRead())
	}
	return m, err
}
