package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/clipnh/clipnh/internal/artefact"
)

// columns are the scores of images, read in columns of pairs.
type columns interface {
	// ReadColumns fills columns [len(images),n] with the scores of n pairs from number
	// first on.
	ReadColumns(columns []float32, images []int, first, n int) error
	close() error
}

// collected are the scores that collect wrote.
type collected struct{ *artefact.Scores }

func (c collected) close() error { return c.Close() }

// A spool has the scores that a model gives in a temporary file, since columns of them
// are needed once all images were seen.
type spool struct {
	file *os.File
	each int // pairs
	rows int
	buf  []byte
}

func newSpool(pairs int) (*spool, error) {
	f, err := os.CreateTemp("", "clipnh-audit-*")
	if err != nil {
		return nil, err
	}
	return &spool{file: f, each: pairs}, nil
}

// add appends the scores of images, [B,H,C].
func (s *spool) add(scores []float32) error {
	s.buf = s.buf[:0]
	for i, x := range scores {
		if x-x != 0 {
			return fmt.Errorf("score of pair %d is %g, want a finite one", i%s.each, x)
		}
		s.buf = binary.LittleEndian.AppendUint32(s.buf, math.Float32bits(x))
	}
	s.rows += len(scores) / s.each
	_, err := s.file.Write(s.buf)
	return err
}

func (s *spool) ReadColumns(columns []float32, images []int, first, n int) error {
	buf := make([]byte, 4*n)
	for i, b := range images {
		if _, err := s.file.ReadAt(buf, 4*(int64(b)*int64(s.each)+int64(first))); err != nil {
			return err
		}
		for j := range n {
			columns[i*n+j] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*j:]))
		}
	}
	return nil
}

func (s *spool) close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }
