package kernel

import (
	"fmt"
	"hash/crc32"
	"math"
	"runtime"
	"testing"
	"unsafe"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// newStem is a stem whose weights are packed into new memory.
func newStem(out, h, w int, weights, bias []float32) *Stem {
	dst := Alloc(StemLen(out))
	PackStem(dst, out, weights, bias)
	return PackedStem(out, h, w, dst)
}

// packedSums are the checksums of what layoutVersion 1 packs, by the number of blocks of a
// full panel and the kind of the pairs.
var packedSums = map[string]uint32{
	"21 f32 gemm width 1 alternate false":          0x1138bb01,
	"33 f32 direct width 1 alternate false":        0xdfa3a178,
	"33 f32 winograd-2x2 width 1 alternate false":  0x3f3ac3d3,
	"33 f32 winograd-4x4 width 1 alternate false":  0xc8dd8377,
	"33 bf16 gemm width 1 alternate false":         0x0e6ba054,
	"33 bf16 winograd-2x2 width 1 alternate false": 0xc8b042eb,
	"stem width 1":                                0x15cb767d,
	"21 f32 gemm width 2 alternate false":         0x239252af,
	"33 f32 direct width 2 alternate false":       0xef9ccaad,
	"33 f32 winograd-2x2 width 2 alternate false": 0xcbe4165d,
	"33 f32 winograd-4x4 width 2 alternate false": 0x0139b499,
	"33 bf16 gemm width 2 alternate true":         0xcb02200a,
	"33 bf16 winograd-2x2 width 2 alternate true": 0x57890bfa,
	"stem width 2":                                 0xc938efd6,
	"21 f32 gemm width 3 alternate false":          0x613b720c,
	"33 f32 direct width 3 alternate false":        0xc0de3fa4,
	"33 f32 winograd-4x4 width 3 alternate false":  0x467cab2f,
	"33 bf16 gemm width 3 alternate false":         0x421eb7ab,
	"33 bf16 winograd-2x2 width 3 alternate false": 0x90cd4880,
	"stem width 3":                                 0x8ff8d4c1,
}

// TestLayout holds that packed weights, which are kept in files, have the layout that
// layoutVersion stands for.
func TestLayout(t *testing.T) {
	values := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32((i*i+3*i)%251)/64 - 2 // exact in bfloat16's range of rounding too
		}
		return x
	}
	defer cpu.Force(cpu.Active())()
	cpu.Force(cpu.Generic)
	defer func() { families[cpu.Generic] = &generic }()
	// Families that differ in what the layout depends on; they are not run.
	for _, f := range []*family{layoutFamily(1, false), layoutFamily(2, true), layoutFamily(3, false)} {
		families[cpu.Generic] = f
		for _, spec := range []ConvSpec{
			{In: []int{21, 40}, Out: 83, Kernel: 1, H: 4, W: 4, Images: 1},
			{In: []int{33}, Out: 96, Kernel: 3, H: 7, W: 7, Images: 1, Algorithm: Direct},
			{In: []int{33}, Out: 50, Kernel: 3, H: 7, W: 7, Images: 1, Algorithm: Winograd2},
			{In: []int{33}, Out: 96, Kernel: 3, H: 7, W: 7, Images: 1, Algorithm: Winograd4},
			{In: []int{33}, Out: 96, Kernel: 1, H: 7, W: 7, Images: 1, Precision: BFloat16},
			{In: []int{33}, Out: 96, Kernel: 3, H: 7, W: 7, Images: 1, Precision: BFloat16, Algorithm: Winograd2},
		} {
			if spec.Algorithm == Winograd4 && runtime.GOARCH != "amd64" {
				continue // its transform may be rounded otherwise where additions are fused
			}
			var weights [][]float32
			for _, in := range spec.In {
				weights = append(weights, values(spec.Out*in*spec.Kernel*spec.Kernel))
			}
			dst := Alloc(spec.PackedLen())
			PackConv(dst, spec, weights, values(spec.Out))
			name := fmt.Sprintf("%d %s %s width %d alternate %t", spec.In[0], spec.Precision, spec.plan(), f.panelWidth(blocksOf(spec.Out)), spec.Precision == BFloat16 && f.alternate)
			checkLayout(t, name, dst)
		}
		dst := Alloc(StemLen(40))
		PackStem(dst, 40, values(40*stemTaps), values(40))
		checkLayout(t, fmt.Sprintf("stem width %d", f.panelWidth(blocksOf(40))), dst)
	}
}

// layoutFamily is a family with full panels of the given width.
func layoutFamily(width int, alternate bool) *family {
	f := generic
	f.tiles[width], f.pairTiles[1], f.alternate = f.tiles[1], f.tiles[1], alternate
	return &f
}

func checkLayout(t *testing.T, name string, packed []float32) {
	t.Helper()
	sum := crc32.ChecksumIEEE(unsafe.Slice((*byte)(unsafe.Pointer(&packed[0])), 4*len(packed)))
	if want, known := packedSums[name]; sum != want {
		t.Errorf("%q: %#08x, want %#08x (known: %t); if the layout is to change, count layoutVersion up", name, sum, want, known)
	}
}

// TestWinogradPart compares transformed weights with the loops of G k G^T, bit by bit.
func TestWinogradPart(t *testing.T) {
	line := func(m int, a, b, c float64) [6]float64 {
		if m == 2 {
			return [6]float64{a, (a + c + b) / 2, (a + c - b) / 2, c}
		}
		evenA, oddA := (a+c/2)*(-2./3), b*(-2./3*sqrtHalf)
		evenB, oddB := (a+c*2)*(1./6), b*(1./6*sqrt2)
		return [6]float64{a, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, c}
	}
	const lanes = 3 * Lanes
	for _, m := range []int{2, 4} {
		part, weights := newWinogradPart(m, lanes), random(uint64(m), Lanes*lanes*taps, 1)
		for i := range Lanes * lanes {
			k := (*[taps]float32)(weights[i*taps:])
			part.set(i%Lanes, i/Lanes, k)
			var columns [3][6]float64
			for x := range columns {
				columns[x] = line(m, float64(k[x]), float64(k[3+x]), float64(k[6+x]))
			}
			for r := range m + 2 {
				want := line(m, columns[0][r], columns[1][r], columns[2][r])
				for x := range m + 2 {
					got := part.row(r*(m+2)+x, i%Lanes)[i/Lanes]
					if math.Float32bits(got) != math.Float32bits(float32(want[x])) {
						t.Fatalf("F(%dx%d), filter %d, tap %d,%d: %g, want %g", m, m, i, r, x, got, want[x])
					}
				}
			}
		}
	}
}
