package kernel

import (
	"fmt"
	"math"
	"testing"
	"unsafe"
)

// bfloat16 rounds v to bfloat16.
func bfloat16(v float32) float32 { return math.Float32frombits(rounded(v) << 16) }

// TestPairs compares the rounding of pixels to pairs with plain Go, on memory with
// guards.
func TestPairs(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		if f.pairs == nil {
			t.Skip("this processor has no products of bfloat16")
		}
		for n := 1; n <= 5; n++ {
			low, high := random(1, n*Lanes, 1), random(2, n*Lanes, 1)
			// A tie to even, one that rounds up, and what must not become a number.
			low[0], low[1] = math.Float32frombits(0x3f808000), math.Float32frombits(0x3f818000)
			low[2], low[3] = float32(math.NaN()), float32(math.Inf(-1))
			got, touched := guarded(n*Lanes, n)
			f.pairs(&got[0], &low[0], &high[0], n)
			for p := range n {
				for l := range 2 * Lanes {
					want := append(low[p*Lanes:][:Lanes:Lanes], high[p*Lanes:][:Lanes]...)[l]
					bits := math.Float32bits(got[p*Lanes+l/2]) >> (l % 2 * 16) << 16
					if v := math.Float32frombits(bits); v != bfloat16(want) && (v == v || want == want) {
						t.Errorf("%d pixels: channel %d of pixel %d is %g, want %g", n, l, p, v, bfloat16(want))
					}
				}
			}
			if touched() {
				t.Errorf("%d pixels: wrote outside", n)
			}
		}
	})
}

// TestPairTiles compares the tile kernels on pairs with sums of rounded factors, in both
// layouts of outputs, on memory with guards.
func TestPairTiles(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		if f.pairs == nil {
			t.Skip("this processor has no products of bfloat16")
		}
		for width, kernels := range f.pairTiles {
			for rows := 1; rows < len(kernels); rows++ {
				t.Run(fmt.Sprintf("%dx%d", rows, width), func(t *testing.T) {
					for variant := range 16 {
						checkPairTile(t, f, kernels[rows], rows, width, variant)
					}
				})
			}
		}
	})
}

func checkPairTile(t *testing.T, f *family, run tileFunc, rows, width, variant int) {
	bias, residual, relu, matrix := variant&1 != 0, variant&2 != 0, variant&4 != 0, variant&8 != 0
	blocks := 1 + variant%3 // of pairs
	lanes := width * Lanes
	weights := random(6, blocks*2*Lanes*lanes, 1)
	b := packed{kBlocks: blocks, nBlocks: width, width: width, pairs: true, alternate: f.alternate, data: Alloc(blocks * width * blockFloats)}
	for i := range blocks * 2 * Lanes {
		for j := range lanes {
			b.set(b.data, lanes, i/Lanes, i%Lanes, j, weights[i*lanes+j])
		}
	}
	inputs := random(7, blocks*2*rows*Lanes, 1) // [block][pixel][Lanes]
	src := Alloc(blocks * rows * Lanes)
	sources := make([]unsafe.Pointer, blocks)
	for i := range sources {
		f.pairs(&src[i*rows*Lanes], &inputs[2*i*rows*Lanes], &inputs[(2*i+1)*rows*Lanes], rows)
		sources[i] = unsafe.Pointer(&src[i*rows*Lanes])
	}
	offset := random(3, lanes, 1)
	cPixel, cBlock := laneBytes, (rows+1)*laneBytes
	if matrix {
		cPixel, cBlock = (lanes+5)*4, laneBytes
	}
	n := (rows-1)*cPixel/4 + (width-1)*cBlock/4 + Lanes
	got, touched := guarded(n, variant)
	copy(got, random(4, n, 1))
	want := append([]float32(nil), got...)
	add := random(5, n, 1)
	args := tileArgs{
		sources: unsafe.Pointer(&sources[0]), blocks: blocks, b: unsafe.Pointer(&b.data[0]),
		c: unsafe.Pointer(&got[0]), cPixel: cPixel, cBlock: cBlock, rows: rows,
	}
	if bias {
		args.bias = unsafe.Pointer(&offset[0])
	}
	if residual {
		args.residual = unsafe.Pointer(&add[0])
	}
	if relu {
		args.relu = 1
	}
	run(&args)
	for r := range rows {
		for j := range lanes {
			at := r*cPixel/4 + j/Lanes*cBlock/4 + j%Lanes
			s := float64(want[at])
			if bias {
				s = float64(offset[j])
				if residual {
					s += float64(add[at])
				}
			}
			for i := range blocks * 2 * Lanes {
				x := inputs[(i/Lanes*rows+r)*Lanes+i%Lanes]
				s += float64(bfloat16(x)) * float64(bfloat16(weights[i*lanes+j]))
			}
			if relu {
				s = max(s, 0)
			}
			want[at] = float32(s)
		}
	}
	if e := relativeError(got, want); e > convTolerance[GEMM] {
		t.Errorf("variant %04b: error %g, want at most %g", variant, e, convTolerance[GEMM])
	}
	if touched() {
		t.Errorf("variant %04b: wrote outside the tile", variant)
	}
}
