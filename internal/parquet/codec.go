package parquet

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

const mostPage = 1 << 30 // bytes of a page, unpacked

// A page of more than freeSize bytes is refused if it has more than mostRatio times as
// many as it takes in the file.
var freeSize int32 = 64 << 20

const mostRatio = 64

// A codec is how the pages of a column are compressed.
type codec format.CompressionCodec

const uncompressed = codec(format.Uncompressed)

// check returns an error unless pages of the codec can be unpacked.
func (c codec) check() error {
	switch format.CompressionCodec(c) {
	case format.Uncompressed, format.Snappy, format.Gzip, format.Zstd:
		return nil
	}
	return hinted{
		fmt.Errorf("compressed with %v, want none, snappy, gzip or zstd", format.CompressionCodec(c)),
		"write the file again with another compression",
	}
}

// checkSizes returns an error if a page of this size, in packed bytes, is not unpacked.
func checkSizes(packed, size int32) error {
	switch {
	case packed < 0 || size < 0:
		return fmt.Errorf("%w: a page of %d bytes in %d", ErrDamaged, size, packed)
	case size > mostPage:
		return fmt.Errorf("a page of %d bytes, want at most %d", size, mostPage)
	case size > freeSize && size/mostRatio > packed:
		return fmt.Errorf("a page of %d bytes in %d, want at most %d times as many", size, packed, mostRatio)
	}
	return nil
}

// unpack returns the size bytes of a page, and an error that wraps ErrDamaged if there are
// more or fewer. It allocates no more than a small multiple of them.
func (c codec) unpack(packed []byte, size int) (data []byte, err error) {
	switch format.CompressionCodec(c) {
	case format.Uncompressed:
		data = packed
	case format.Snappy:
		var n int
		if n, err = snappy.DecodedLen(packed); err == nil && n != size {
			err = fmt.Errorf("%d bytes, want %d", n, size)
		}
		if err == nil {
			data, err = snappy.Decode(nil, packed)
		}
	case format.Gzip:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(packed)); err == nil {
			data, err = readMost(r, size)
		}
	case format.Zstd:
		var r *zstd.Decoder
		if r, err = zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(mostPage)); err == nil {
			data, err = readMost(r, size)
			r.Close()
		}
	default:
		err = c.check()
	}
	if err == nil && len(data) != size {
		err = fmt.Errorf("%d bytes, want %d", len(data), size)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: unpacking a page: %w", ErrDamaged, err)
	}
	return data, nil
}

// readMost reads up to one byte more than size. A size that is stated is believed only as
// far as bytes arrive.
func readMost(r io.Reader, size int) ([]byte, error) {
	const first = 1 << 20
	b := bytes.NewBuffer(make([]byte, 0, min(size+bytes.MinRead, first)))
	_, err := b.ReadFrom(io.LimitReader(r, int64(size)+1))
	return b.Bytes(), err
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }
