package parquet

import (
	"encoding/binary"
	"fmt"
)

// runs decodes n numbers of width bits: runs of one number, and of numbers packed in eights.
func runs(data []byte, width, n int) ([]uint32, error) {
	if width > 32 {
		return nil, fmt.Errorf("%w: numbers of %d bits", ErrDamaged, width)
	}
	numbers := make([]uint32, 0, n)
	for len(numbers) < n {
		head, size := binary.Uvarint(data)
		if size <= 0 {
			return nil, tooFew(n, len(data))
		}
		data = data[size:]
		count := head >> 1
		if count == 0 {
			return nil, fmt.Errorf("%w: a run of no values", ErrDamaged)
		}
		left := n - len(numbers)
		if head&1 == 0 {
			bytes := (width + 7) / 8
			if len(data) < bytes {
				return nil, tooFew(n, len(data))
			}
			var number uint32
			for i, b := range data[:bytes] {
				number |= uint32(b) << (8 * i)
			}
			data = data[bytes:]
			if uint64(number)>>width != 0 {
				return nil, fmt.Errorf("%w: number %d in %d bits", ErrDamaged, number, width)
			}
			for range min(count, uint64(left)) {
				numbers = append(numbers, number)
			}
			continue
		}
		// Each eight take width bytes, but for the last, which may be cut short.
		packed := data[:min(min(count, uint64(len(data)))*uint64(width), uint64(len(data)))]
		data = data[len(packed):]
		many := min(left, int(min(count, 1<<28))*8)
		if len(packed)*8 < many*width {
			return nil, tooFew(n, len(packed))
		}
		for i := range many {
			numbers = append(numbers, uint32(unpackBits(packed, i*width, width)))
		}
	}
	return numbers, nil
}

// unpackBits returns the number in the width bits of b from bit at on, lowest first.
func unpackBits(b []byte, at, width int) uint64 {
	var number uint64
	for done := 0; done < width; {
		from := (at + done) % 8
		number |= uint64(b[(at+done)/8]>>from) << done
		done += 8 - from
	}
	if width < 64 {
		number &= 1<<width - 1
	}
	return number
}

// deltas decodes n numbers, each but the first given by its difference from the one before,
// and returns how many bytes of data they take. The differences are in blocks, each with its
// smallest one and some parts, in which they are packed in as many bits as the part's
// largest needs.
func deltas(data []byte, n int) (numbers []int64, taken int, err error) {
	rest := data
	short := false
	unsigned := func() uint64 {
		x, size := binary.Uvarint(rest)
		if size <= 0 {
			short = true
			return 0
		}
		rest = rest[size:]
		return x
	}
	signed := func() int64 {
		x, size := binary.Varint(rest)
		if size <= 0 {
			short = true
			return 0
		}
		rest = rest[size:]
		return x
	}
	block, parts, total, last := unsigned(), unsigned(), unsigned(), signed()
	const mostBlock = 1 << 16
	switch {
	case short:
		return nil, 0, tooFew(n, len(data))
	case total != uint64(n):
		return nil, 0, fmt.Errorf("%w: %d numbers, want %d", ErrDamaged, total, n)
	case parts == 0 || block == 0 || block > mostBlock || block%(8*parts) != 0:
		return nil, 0, fmt.Errorf("%w: blocks of %d numbers in %d parts", ErrDamaged, block, parts)
	case n == 0:
		return nil, len(data) - len(rest), nil
	}
	numbers = append(make([]int64, 0, n), last)
	each := int(block / parts)
	for len(numbers) < n {
		least := signed()
		if short || uint64(len(rest)) < parts {
			return nil, 0, tooFew(n, len(data))
		}
		widths := rest[:parts]
		rest = rest[parts:]
		for _, width := range widths {
			if len(numbers) == n {
				break // parts without numbers take no bytes
			}
			if width > 64 {
				return nil, 0, fmt.Errorf("%w: numbers of %d bits", ErrDamaged, width)
			}
			size := each / 8 * int(width)
			if len(rest) < size {
				return nil, 0, tooFew(n, len(data))
			}
			for i := range min(each, n-len(numbers)) {
				last += least + int64(unpackBits(rest[:size], i*int(width), int(width)))
				numbers = append(numbers, last)
			}
			rest = rest[size:]
		}
	}
	return numbers, len(data) - len(rest), nil
}
