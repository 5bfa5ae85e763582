// Package pipe runs graphs in a process of its own, a helper, with which it speaks over
// a pipe. Whatever ends the helper, such as a fault in the driver of a graphics card, is an
// error here.
//
// The two exchange frames: a request, and an answer of the same kind or an error.
//
//	bytes  content
//	4      "cnh1"
//	4      kind, little-endian
//	8      length of what follows, little-endian
//	       JSON, or float32 numbers, little-endian
//
// Both sides bound the length that they take by what they expect, before they read it.
// Where the system has memory that two processes can share, the numbers of batches are
// there, and frames say no more than how many images.
package pipe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// kind says what a frame holds.
type kind uint32

const (
	kindHello  kind = 1 + iota // Hello; answered with a Runtime
	kindLoad                   // Graph; answered with nothing
	kindRun                    // numbers of images; answered with those of the outputs
	kindError                  // an answer: a text
	kindMemory                 // Memory; answered with nothing
	kindShared                 // Batch, whose numbers are in shared memory; answered with nothing, where those of the outputs are
)

const (
	magic     = "cnh1"
	headerLen = 16
	// maxText bounds what is not numbers.
	maxText = 1 << 20
	// block is how many numbers are converted at a time.
	block = 1 << 14
)

var errMagic = errors.New("what came is no frame")

func writeHeader(w io.Writer, k kind, length int64) error {
	b := append(make([]byte, 0, headerLen), magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	_, err := w.Write(binary.LittleEndian.AppendUint64(b, uint64(length)))
	return err
}

// readHeader reads a header; io.EOF means that nothing came.
func readHeader(r io.Reader) (kind, int64, error) {
	var b [headerLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, 0, err
	}
	if string(b[:4]) != magic {
		return 0, 0, fmt.Errorf("%w: %q", errMagic, b[:4])
	}
	length := binary.LittleEndian.Uint64(b[8:])
	if length > math.MaxInt64 {
		return 0, 0, fmt.Errorf("a frame of %d bytes", length)
	}
	return kind(binary.LittleEndian.Uint32(b[4:])), int64(length), nil
}

func writeText(w io.Writer, k kind, text []byte) error {
	if err := writeHeader(w, k, int64(len(text))); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

func readText(r io.Reader, length int64) ([]byte, error) {
	if length > maxText {
		return nil, fmt.Errorf("a text of %d bytes, want at most %d", length, maxText)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(r, b)
	return b, err
}

func readNumbers(r io.Reader, values []float32) error {
	buf := make([]byte, 4*min(block, len(values)))
	for len(values) > 0 {
		n := min(block, len(values))
		if _, err := io.ReadFull(r, buf[:4*n]); err != nil {
			return err
		}
		for i := range n {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
		}
		values = values[n:]
	}
	return nil
}
