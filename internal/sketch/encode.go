package sketch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
)

// A Set on disk, little-endian:
//
//	8 bytes   "clipnhSK"
//	4         version, 1, which stands for the grid too
//	4         U, units
//	8         B, images
//	then for each unit
//	72        sums of x, x² and x³, of 2, 3 and 4 words of 8 bytes, the low word first
//	varints   the number of cells with values, and of each of these in ascending order how
//	          many empty cells are before it, after the one before, and its count
//
// Varints are those of encoding/binary, unsigned. Counts of a unit sum to B.
const (
	magic   = "clipnhSK"
	version = 1
)

// Write writes a Set.
func (s *Set) Write(to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<16)
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Units))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Images))
	for u := range s.Units {
		for _, word := range s.powers(u) {
			b = binary.LittleEndian.AppendUint64(b, word)
		}
		counts := s.Counts[u*Cells : (u+1)*Cells]
		used := uint64(0)
		for _, n := range counts {
			if n > 0 {
				used++
			}
		}
		b = binary.AppendUvarint(b, used)
		next := 0
		for cell, n := range counts {
			if n > 0 {
				b = binary.AppendUvarint(b, uint64(cell-next))
				b = binary.AppendUvarint(b, uint64(n))
				next = cell + 1
			}
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return w.Flush()
}

// ReadSize reads how many units and images a Set is of, from its beginning.
func ReadSize(from io.Reader) (units, images int, err error) {
	head := make([]byte, len(magic)+16)
	if _, err := io.ReadFull(from, head); err != nil {
		return 0, 0, fmt.Errorf("header: %w", short(err))
	}
	if string(head[:len(magic)]) != magic {
		return 0, 0, fmt.Errorf("begins with %.8q, want %q", head[:len(magic)], magic)
	}
	head = head[len(magic):]
	if v := binary.LittleEndian.Uint32(head); v != version {
		return 0, 0, fmt.Errorf("version %d, want %d", v, version)
	}
	n, b := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint64(head[8:])
	if n < 1 || n > math.MaxInt32 || b > math.MaxInt32 {
		return 0, 0, fmt.Errorf("%d units and %d images, want at most %d", n, b, math.MaxInt32)
	}
	return int(n), int(b), nil
}

// Read reads a Set that must be of a number of units, and nothing after it. What it
// allocates is bounded by what there is to read.
func Read(from io.Reader, units int) (*Set, error) {
	s := &Set{}
	return s, each(from, func(n, images int) error {
		if n != units {
			return fmt.Errorf("%d units, want %d", n, units)
		}
		s.Units, s.Images = n, images
		return nil
	}, s.readUnit)
}

// Check reads a Set of any number of units, of which it keeps none.
func Check(from io.Reader) error {
	one := &Set{}
	return each(from, func(_, images int) error { one.Images = images; return nil }, func(r *bufio.Reader, _ int) error {
		one.Powers, one.Counts = one.Powers[:0], one.Counts[:0]
		return one.readUnit(r, 0)
	})
}

func each(from io.Reader, begin func(units, images int) error, unit func(r *bufio.Reader, u int) error) error {
	r := bufio.NewReaderSize(from, 1<<16)
	units, images, err := ReadSize(r)
	if err == nil {
		err = begin(units, images)
	}
	if err != nil {
		return err
	}
	for u := range units {
		if err := unit(r, u); err != nil {
			return fmt.Errorf("unit %d: %w", u, err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return errors.New("bytes after the end")
	}
	return nil
}

// readUnit appends unit u.
func (s *Set) readUnit(r *bufio.Reader, u int) error {
	var raw [8 * words]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return short(err)
	}
	s.Powers, s.Counts = slices.Grow(s.Powers, words), slices.Grow(s.Counts, Cells)
	for i := range words {
		s.Powers = append(s.Powers, binary.LittleEndian.Uint64(raw[8*i:]))
	}
	s.Counts = s.Counts[:(u+1)*Cells]
	counts := s.Counts[u*Cells:]
	clear(counts)
	used, err := binary.ReadUvarint(r)
	if err != nil {
		return short(err)
	}
	if used > Cells {
		return fmt.Errorf("%d cells, want at most %d", used, Cells)
	}
	cell, total := uint64(0), uint64(0)
	for range used {
		gap, err := binary.ReadUvarint(r)
		if err != nil {
			return short(err)
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return short(err)
		}
		if gap >= Cells-cell {
			return fmt.Errorf("a cell after the last, number %d", Cells-1)
		}
		cell += gap
		if n < 1 || n > uint64(s.Images)-total {
			return fmt.Errorf("cell %d: %d values, want 1 or more, and %d in all", cell, n, s.Images)
		}
		counts[cell] = uint32(n)
		total += n
		cell++
	}
	if total != uint64(s.Images) {
		return fmt.Errorf("%d values, want those of %d images", total, s.Images)
	}
	return s.checkSums(u)
}

// checkSums returns an error unless the sums of unit u may be those of values within their
// cells: at least as far as the first and the second power go.
func (s *Set) checkSums(u int) error {
	p := s.powers(u)
	a, b := integer(p[first:second]), integer(p[second:third])
	low, high := new(big.Float), new(big.Float)
	for cell, n := range s.Counts[u*Cells : (u+1)*Cells] {
		if n > 0 {
			lo, hi := edges(cell)
			low.Add(low, big.NewFloat(lo*float64(n)))
			high.Add(high, big.NewFloat(hi*float64(n)))
		}
	}
	sum := new(big.Float).SetMantExp(new(big.Float).SetInt(a), -pointBits)
	slack := big.NewFloat(float64(s.Images) * 1e-9) // of rounding
	if sum.Cmp(low.Sub(low, slack)) < 0 || sum.Cmp(high.Add(high, slack)) > 0 {
		return errors.New("a sum that values in these cells cannot have")
	}
	square := new(big.Int).Mul(a, a)
	if b.Mul(b, big.NewInt(int64(s.Images))).Cmp(square) < 0 {
		return errors.New("a sum of squares that is too small for the sum")
	}
	return nil
}

// short is the error of an end where more was wanted.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
