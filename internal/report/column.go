package report

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A Column is numbers of one kind, such as the mean norms of all pairs: little-endian,
// row-major. Shapes are said where columns are used.
//
// Types are u8, u16, u24 (three bytes), u32 and f32. A number q of a column with a Step
// stands for Low + Step·q, and is off by at most Step/2. Of indices, the largest number of
// the type stands for none.
//
// In a data file, the bytes of columns follow the JSON, and At and Bytes say where: first
// the lowest bytes of all numbers, then the next ones. So bytes that are alike lie together.
type Column struct {
	Type  string  `json:"type"`
	Low   float64 `json:"low,omitempty"`
	Step  float64 `json:"step,omitempty"`
	At    int     `json:"at"`
	Bytes int     `json:"bytes"`
	Data  []byte  `json:"data,omitempty"` // number by number; of a file of version 1, in its JSON
}

// None is the index that stands for none.
const None = -1

// widths are bytes of a number, by type.
var widths = map[string]int{"u8": 1, "u16": 2, "u24": 3, "u32": 4, "f32": 4}

// Floats are numbers as they are.
func Floats(values []float32) Column {
	c := Column{Type: "f32", Data: make([]byte, 0, 4*len(values))}
	for _, v := range values {
		c.Data = binary.LittleEndian.AppendUint32(c.Data, math.Float32bits(v))
	}
	return c
}

// Indices are whole numbers from 0 on, or None, in the smallest type that holds those below
// count and none.
func Indices(values []int32, count int) Column {
	c := Column{Type: "u32"}
	for _, t := range []string{"u8", "u16", "u24"} {
		if count < 1<<(8*widths[t]) {
			c.Type = t
			break
		}
	}
	width := widths[c.Type]
	c.Data = make([]byte, 0, width*len(values))
	for _, v := range values {
		for b := range width { // None is all ones
			c.Data = append(c.Data, byte(v>>(8*b)))
		}
	}
	return c
}

// Shortened are numbers with 16 significant bits, which takes less space: off by a factor of
// 1 ± 2⁻¹⁷ at most.
func Shortened(values []float32) Column {
	short := make([]float32, len(values))
	for i, v := range values {
		bits := math.Float32bits(v)
		bits += 0x7f + bits>>8&1 // to the nearest, ties to even
		short[i] = math.Float32frombits(bits &^ 0xff)
	}
	return Floats(short)
}

// Quantized are numbers in steps of 1/65535 of their range.
func Quantized(values []float32) Column { return quantized(values, "u16", 1<<16-1) }

// Coarse are numbers in steps of 1/255 of their range.
func Coarse(values []float32) Column { return quantized(values, "u8", 1<<8-1) }

func quantized(values []float32, kind string, levels float64) Column {
	c := Column{Type: kind, Data: make([]byte, 0, widths[kind]*len(values))}
	if len(values) == 0 {
		return c
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = math.Min(low, float64(v)), math.Max(high, float64(v))
	}
	c.Low, c.Step = low, (high-low)/levels
	if c.Step == 0 { // a column without a step is not scaled
		c.Step = 1
	}
	for _, v := range values {
		q := uint32(math.Round((float64(v) - low) / c.Step))
		for b := range widths[kind] {
			c.Data = append(c.Data, byte(q>>(8*b)))
		}
	}
	return c
}

// Len is how many numbers there are.
func (c Column) Len() int {
	if widths[c.Type] == 0 {
		return 0
	}
	return len(c.Data) / widths[c.Type]
}

// Values returns what the numbers stand for.
func (c Column) Values() ([]float64, error) {
	width, n := widths[c.Type], c.Len()
	if width == 0 || len(c.Data) != n*width {
		return nil, fmt.Errorf("column of type %q: %d bytes, want whole numbers of u8, u16, u24, u32 or f32", c.Type, len(c.Data))
	}
	values := make([]float64, n)
	for i := range values {
		q := uint32(0)
		for b := range width {
			q |= uint32(c.Data[i*width+b]) << (8 * b)
		}
		switch {
		case c.Type == "f32":
			values[i] = float64(math.Float32frombits(q))
		case c.Step != 0:
			values[i] = c.Low + c.Step*float64(q)
		default:
			values[i] = float64(q)
		}
	}
	return values, nil
}

// Integers returns indices, with None where there is none.
func (c Column) Integers() ([]int32, error) {
	values, err := c.Values()
	if err != nil {
		return nil, err
	}
	if c.Type == "f32" || c.Step != 0 {
		return nil, fmt.Errorf("column of type %q with step %g: want indices", c.Type, c.Step)
	}
	none := float64(uint64(1)<<(8*widths[c.Type]) - 1)
	indices := make([]int32, len(values))
	for i, v := range values {
		if indices[i] = None; v != none {
			indices[i] = int32(v)
		}
	}
	return indices, nil
}
