package testutil

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// PNG is the content of a PNG file's header, which need not match the data.
type PNG struct {
	W, H                   uint32
	Depth, Kind, Interlace byte
	Palette                []byte // no PLTE chunk if nil
}

// File returns the file, with correct checksums. packed is the compressed pixel
// data, for example from Zlib.
func (p PNG) File(packed []byte) []byte {
	file := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, body []byte) {
		file = binary.BigEndian.AppendUint32(file, uint32(len(body)))
		at := len(file)
		file = append(append(file, name...), body...)
		file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[at:]))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, p.W), p.H)
	chunk("IHDR", append(header, p.Depth, p.Kind, 0, 0, p.Interlace))
	if p.Palette != nil {
		chunk("PLTE", p.Palette)
	}
	chunk("IDAT", packed)
	chunk("IEND", nil)
	return file
}

// Zlib compresses raw at the best compression level.
func Zlib(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
