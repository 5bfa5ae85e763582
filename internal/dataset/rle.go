package dataset

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/foreign"
)

// A rle is a mask in COCO's run-length code: the lengths of runs of pixels off
// and on in turn, off first, down the columns from left to right.
type rle struct {
	Size   [2]int          `json:"size"` // height, width
	Counts json.RawMessage `json:"counts"`
}

// runs returns the lengths, which add up to the number of pixels. They are a
// list, or a text in which each is written in groups of five bits from the
// lowest, less the length two before from the fourth on.
//
// Memory is eight bytes for each of counts.
func (m *rle) runs() ([]int, error) {
	pixels := m.Size[0] * m.Size[1]
	var runs []int
	if len(m.Counts) > 0 && m.Counts[0] == '"' {
		var text string
		if err := json.Unmarshal(m.Counts, &text); err != nil {
			return nil, foreign.Short(err)
		}
		var err error
		if runs, err = unpackRuns(text); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(m.Counts, &runs); err != nil {
		return nil, fmt.Errorf("counts are neither a text nor a list of lengths")
	}
	sum := 0
	for i, n := range runs {
		if n < 0 || n > pixels-sum {
			return nil, fmt.Errorf("run %d of %d pixels after %d, want %d in all", i+1, n, sum, pixels)
		}
		sum += n
	}
	if sum != pixels {
		return nil, fmt.Errorf("runs of %d pixels, want %d", sum, pixels)
	}
	return runs, nil
}

const (
	firstDigit = '0'    // stands for zero
	moreDigits = 1 << 5 // in all digits of a number but its last
	signDigit  = 1 << 4 // in the last digit of a negative number
	mostDigits = 7      // of a number, 35 bits
)

func unpackRuns(text string) ([]int, error) {
	var runs []int
	for i := 0; i < len(text); {
		n := 0
		for digit := 0; ; digit++ {
			if i == len(text) {
				return nil, errors.New("counts end within a number")
			}
			c := int(text[i]) - firstDigit
			if c < 0 || c >= 2*moreDigits {
				return nil, fmt.Errorf("counts hold %q, want characters from '0' to 'o'", text[i])
			}
			if digit == mostDigits {
				return nil, fmt.Errorf("number of more than %d digits in counts", mostDigits)
			}
			i++
			n |= c & (moreDigits - 1) << (5 * digit)
			if c&moreDigits == 0 {
				if c&signDigit != 0 {
					n -= 1 << (5 * (digit + 1))
				}
				break
			}
		}
		if len(runs) > 2 {
			n += runs[len(runs)-2]
		}
		runs = append(runs, n)
	}
	return runs, nil
}

// paint sets the pixels of pix [H,W] that are on.
func (m *rle) paint(pix []uint16, value uint16) error {
	runs, err := m.runs()
	if err != nil {
		return err
	}
	h, w := m.Size[0], m.Size[1]
	at := 0
	for i, n := range runs {
		if i%2 == 1 {
			for p := at; p < at+n; p++ {
				pix[p%h*w+p/h] = value
			}
		}
		at += n
	}
	return nil
}
