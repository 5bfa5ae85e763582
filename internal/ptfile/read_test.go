package ptfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestEveryHalf compares all 65536 halves with their definition in float64.
func TestEveryHalf(t *testing.T) {
	for h := range 1 << 16 {
		src := binary.LittleEndian.AppendUint16(nil, uint16(h))
		got := make([]float32, 1)
		toFloat32(got, src, Float16)
		sign := 1 - 2*float64(h>>15)
		exponent, mantissa := h>>10&31, float64(h&1023)
		want := sign * (1 + mantissa/1024) * math.Pow(2, float64(exponent-15))
		switch exponent {
		case 0:
			want = math.Copysign(mantissa*math.Pow(2, -24), sign)
		case 31:
			want = sign * math.Inf(1)
		}
		if exponent == 31 && mantissa != 0 {
			if bits := math.Float32bits(got[0]); got[0] == got[0] || bits>>13&1023 != uint32(mantissa) || bits>>31 != uint32(h>>15) {
				t.Fatalf("half %04x is %08x, want the NaN of its payload", h, bits)
			}
			continue
		}
		if float64(got[0]) != want || math.Signbit(float64(got[0])) != math.Signbit(want) {
			t.Fatalf("half %04x is %g, want %g", h, got[0], want)
		}
	}
}

func TestConversions(t *testing.T) {
	le := binary.LittleEndian
	inf := math.Inf(1)
	for _, tc := range []struct {
		dtype DType
		src   []byte
		want  []float32
	}{
		{BFloat16, []byte{0x80, 0x3f, 0x49, 0xc0, 0x80, 0x7f, 1, 0}, []float32{1, -3.140625, float32(inf), 0x1p-133}},
		{Float32, le.AppendUint32(le.AppendUint32(nil, 0x3f800001), 0x80000000), []float32{1 + 0x1p-23, float32(math.Copysign(0, -1))}},
		{Float64, le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.1)), math.Float64bits(1e300)), []float32{0.1, float32(inf)}},
		{Int8, []byte{0x80, 0x7f, 0xff}, []float32{-128, 127, -1}},
		{Uint8, []byte{0x80, 0xff}, []float32{128, 255}},
		{Int16, []byte{0, 0x80, 1, 0}, []float32{-32768, 1}},
		{Int32, []byte{0, 0, 0, 0x80, 1, 0, 0, 1}, []float32{-1 << 31, 1 << 24}}, // 2^24+1 rounds to even
		{Int64, append(le.AppendUint64(nil, 1<<63), 3, 0, 0, 0, 0, 0, 0, 0), []float32{-1 << 63, 3}},
		{Bool, []byte{0, 1, 2}, []float32{0, 1, 1}},
	} {
		got := make([]float32, len(tc.want))
		toFloat32(got, tc.src, tc.dtype)
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(tc.want[i]) {
				t.Errorf("%s: element %d is %g, want %g", tc.dtype, i, got[i], tc.want[i])
			}
		}
	}
}

// TestViews reads random slices and permutations of a tensor, small ones and
// ones of several chunks, and compares with one look-up for each element.
func TestViews(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const elements = 300_000 // int32: more than four chunks
	data := make([]byte, 0, 4*elements)
	for i := range uint32(elements) {
		data = binary.LittleEndian.AppendUint32(data, i)
	}
	for round := range 300 {
		shape := make([]int, 1+rng.IntN(5))
		most := int(math.Pow(elements, 1/float64(len(shape))))
		if round%3 != 0 {
			most = min(most, 7)
		}
		for i := range shape {
			shape[i] = 1 + rng.IntN(most)
		}
		v := &view{store: &storage{dtype: Int32, elements: elements, crc: crc32.ChecksumIEEE(data), checksum: round%2 == 0},
			strides: contiguous(shape), shape: slices.Clone(shape)}
		v.offset = rng.IntN(elements - v.strides[0]*shape[0] + 1)
		for i := range shape { // slices [from:to:step]
			from := rng.IntN(shape[i])
			step := 1 + rng.IntN(3)*rng.IntN(2)
			v.offset += from * v.strides[i]
			v.shape[i] = (shape[i]-from-1)/step + 1
			v.strides[i] *= step
		}
		rng.Shuffle(len(shape), func(i, j int) {
			v.shape[i], v.shape[j] = v.shape[j], v.shape[i]
			v.strides[i], v.strides[j] = v.strides[j], v.strides[i]
		})
		if err := v.check(); err != nil {
			t.Fatalf("shape %v, strides %v, offset %d: %v", v.shape, v.strides, v.offset, err)
		}
		f := &File{path: "file.pt", r: strings.NewReader(string(data))}
		tensor := Tensor{"w", Int32, v.shape, v, nil}
		got, err := f.Int64(tensor)
		if err != nil {
			t.Fatal(err)
		}
		index := make([]int, len(v.shape))
		for i, x := range got {
			want := v.offset
			for d := range index {
				want += index[d] * v.strides[d]
			}
			if x != int64(want) {
				t.Fatalf("shape %v, strides %v, offset %d: element %v is %d, want %d", v.shape, v.strides, v.offset, index, x, want)
			}
			for d := len(index) - 1; d >= 0; d-- {
				if index[d]++; index[d] < v.shape[d] {
					break
				}
				index[d] = 0
			}
			if i == len(got)-1 && slices.Max(index) != 0 {
				t.Fatalf("%d elements for shape %v", len(got), v.shape)
			}
		}
	}
}

// TestChecksumOnce reads a part of a record, which verifies all of it, and
// then finds no checksum needed for the rest.
func TestChecksumOnce(t *testing.T) {
	part := func(offset string) string {
		return tensorOf(reference(float32s, "0", 6), offset, pickleTuple([]int{1}), pickleTuple([]int{1}))
	}
	file := []byte(archiveOf(dict("a", part("K\x00"), "b", part("K\x05")) + "."))
	f, err := parse(bytesAt(file), int64(len(file)), "file.pt")
	if err != nil {
		t.Fatal(err)
	}
	a, b := f.Tensors()[0], f.Tensors()[1]
	last := int(b.view.store.at) + 5*4
	file[last] ^= 1
	if err := f.Float32(a, make([]float32, 1)); err == nil || !strings.Contains(err.Error(), "file.pt: a: x/data/0: CRC-32 is") {
		t.Errorf("damage in another part of the record: %v", err)
	}
	file[last] ^= 1
	if got := values(t, f, a); got[0] != 0 {
		t.Errorf("a is %v, want 0", got)
	}
	if !a.view.store.verified.Load() {
		t.Error("the record is not marked as verified")
	}
	if got := values(t, f, b); got[0] != 5 {
		t.Errorf("b is %v, want 5", got)
	}
}

// bytesAt is an io.ReaderAt over bytes that may change.
type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, b[at:])
	if n < len(p) {
		return n, fmt.Errorf("beyond the end")
	}
	return n, nil
}
