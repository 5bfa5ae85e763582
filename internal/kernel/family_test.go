package kernel

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// guard fills the memory around a kernel's output. No kernel computes this value.
const guard = -12345.5

// guarded returns n floats at the given distance (in floats) from a cache line, with
// guards on both sides, and a function that reports whether a guard was overwritten.
func guarded(n, shift int) (x []float32, touched func() bool) {
	const margin = 64
	all := Alloc(n + 2*margin)
	for i := range all {
		all[i] = guard
	}
	first := margin - 16 + shift%16
	return all[first : first+n : first+n], func() bool {
		for i, v := range all {
			if (i < first || i >= first+n) && v != guard {
				return true
			}
		}
		return false
	}
}

// eachFamily runs a test for every supported family except plain Go, which the others
// are compared with.
func eachFamily(t *testing.T, body func(t *testing.T, f *family)) {
	for _, l := range cpu.Supported()[1:] {
		t.Run(l.String(), func(t *testing.T) { body(t, families[l]) })
	}
}

// tileLoop computes a tile by the definition of the tile kernel, for any width.
func tileLoop(t *tileArgs, width int) {
	for r := range t.rows {
		for j := range width * Lanes {
			at := r*t.cPixel + j/Lanes*t.cBlock + j%Lanes*4
			c := (*float32)(unsafe.Add(t.c, at))
			s := float64(*c)
			if t.bias != nil {
				s = float64(*(*float32)(unsafe.Add(t.bias, j*4)))
				if t.residual != nil {
					s += float64(*(*float32)(unsafe.Add(t.residual, at)))
				}
			}
			for i := range t.blocks {
				src := *(*unsafe.Pointer)(unsafe.Add(t.sources, i*8))
				for k := range Lanes {
					x := *(*float32)(unsafe.Add(src, t.pixel+r*laneBytes+k*4))
					s += float64(x) * float64(*(*float32)(unsafe.Add(t.b, ((i*Lanes+k)*width*Lanes+j)*4)))
				}
			}
			if t.relu != 0 && s < 0 {
				s = 0
			}
			*c = float32(s)
		}
	}
}

// tileTolerance bounds the error of sums of up to 80 products, relative to the
// largest sum.
const tileTolerance = 1e-6

// TestTiles runs every tile kernel in both layouts of outputs (blocks of a map
// and rows of a matrix), with each start and end of a sum, on memory with
// guards.
func TestTiles(t *testing.T) {
	for _, l := range cpu.Supported() {
		f := families[l]
		for width, kernels := range f.tiles {
			for rows := 1; rows < len(kernels); rows++ {
				t.Run(fmt.Sprintf("%v/%dx%d", l, rows, width), func(t *testing.T) {
					for variant := range 16 {
						checkTile(t, kernels[rows], rows, width, variant)
					}
				})
			}
		}
	}
}

func checkTile(t *testing.T, run tileFunc, rows, width, variant int) {
	bias, residual, relu, matrix := variant&1 != 0, variant&2 != 0, variant&4 != 0, variant&8 != 0
	blocks := 1 + variant%5
	src := random(1, (blocks*(rows+3)+3)*Lanes, 1)
	sources := make([]unsafe.Pointer, blocks)
	for i := range sources {
		sources[i] = unsafe.Pointer(&src[i*(rows+3)*Lanes])
	}
	b := random(2, blocks*width*blockFloats, 1)
	offset := random(3, width*Lanes, 1)
	cPixel, cBlock := laneBytes, (rows+1)*laneBytes
	if matrix {
		cPixel, cBlock = (width*Lanes+5)*4, laneBytes
	}
	n := (rows-1)*cPixel/4 + (width-1)*cBlock/4 + Lanes
	got, touched := guarded(n, variant)
	copy(got, random(4, n, 1))
	want := append([]float32(nil), got...)
	add := random(5, n, 1)
	args := tileArgs{
		sources: unsafe.Pointer(&sources[0]), pixel: 2 * laneBytes, blocks: blocks,
		b: unsafe.Pointer(&b[0]), c: unsafe.Pointer(&got[0]), cPixel: cPixel, cBlock: cBlock,
		rows: rows,
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
	loop := args
	loop.c = unsafe.Pointer(&want[0])
	run(&args)
	tileLoop(&loop, width)
	if e := relativeError(got, want); e > tileTolerance {
		t.Errorf("variant %04b: error %g, want at most %g", variant, e, tileTolerance)
	}
	if touched() {
		t.Errorf("variant %04b: wrote outside the tile", variant)
	}
}

// TestArgumentOffsets compares the offsets that the generator uses with the structs.
func TestArgumentOffsets(t *testing.T) {
	var a tileArgs
	got := []uintptr{
		unsafe.Offsetof(a.sources), unsafe.Offsetof(a.pixel), unsafe.Offsetof(a.blocks), unsafe.Offsetof(a.b),
		unsafe.Offsetof(a.c), unsafe.Offsetof(a.cPixel), unsafe.Offsetof(a.cBlock), unsafe.Offsetof(a.bias),
		unsafe.Offsetof(a.residual), unsafe.Offsetof(a.relu), unsafe.Offsetof(a.next), unsafe.Offsetof(a.nextEnd), unsafe.Offsetof(a.pace),
	}
	for i, o := range got {
		if unsafe.Sizeof(a.pixel) == 8 && o != uintptr(8*i) {
			t.Errorf("field %d of tileArgs is at %d, want %d", i, o, 8*i)
		}
	}
	var in winogradIn
	var out winogradOut
	var norm normArgs
	var softmax softmaxArgs
	for _, o := range []struct{ got, want uintptr }{
		{unsafe.Offsetof(softmax.block), 8}, {unsafe.Offsetof(softmax.blocks), 16},
		{unsafe.Offsetof(norm.src), 8}, {unsafe.Offsetof(norm.dstBlock), 16}, {unsafe.Offsetof(norm.srcBlock), 24}, {unsafe.Offsetof(norm.blocks), 32},
		{unsafe.Offsetof(norm.gamma), 40}, {unsafe.Offsetof(norm.beta), 48}, {unsafe.Offsetof(norm.share), 56}, {unsafe.Offsetof(norm.epsilon), 60},
		{unsafe.Offsetof(in.step), 48}, {unsafe.Offsetof(in.dst), 96}, {unsafe.Offsetof(in.tap), 104}, {unsafe.Offsetof(in.block), 112},
		{unsafe.Offsetof(in.blocks), 120}, {unsafe.Offsetof(in.columns), 128}, {unsafe.Offsetof(in.work), 136},
		{unsafe.Offsetof(out.tap), 8}, {unsafe.Offsetof(out.block), 16}, {unsafe.Offsetof(out.rows), 24}, {unsafe.Offsetof(out.step), 56},
		{unsafe.Offsetof(out.blocks), 88}, {unsafe.Offsetof(out.columns), 96}, {unsafe.Offsetof(out.bias), 104},
		{unsafe.Offsetof(out.floor), 112}, {unsafe.Offsetof(out.add), 120}, {unsafe.Offsetof(out.work), 128},
	} {
		if unsafe.Sizeof(in.tap) == 8 && o.got != o.want {
			t.Errorf("a field of a kernel's arguments is at %d, want %d", o.got, o.want)
		}
	}
}

// TestPace checks that tiles prefetch their shares of the next panel in the time that they
// have, and not faster.
func TestPace(t *testing.T) {
	for width := 1; width <= maxWidth; width++ {
		for tiles := 1; tiles <= 100; tiles++ {
			fours := Lanes / 4 // of a block of inputs
			share := width * blockFloats * 4 / tiles
			got := int(pace(width, tiles))
			if got*fours < share || (got-1)*fours > share {
				t.Errorf("width %d, %d tiles: %d bytes for four inputs, want %d", width, tiles, got, (share+fours-1)/fours)
			}
		}
	}
}

// TestSpecialValues checks that tiles keep NaN through the ReLU and carry
// infinities.
func TestSpecialValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, l := range cpu.Supported() {
		f := families[l]
		for width := range f.tiles {
			if f.tiles[width] == nil {
				continue
			}
			src := make([]float32, Lanes)
			src[0] = 1
			source := unsafe.Pointer(&src[0])
			b := make([]float32, width*blockFloats)
			b[0], b[1], b[2], b[3] = nan, inf, -inf, -1
			c, bias := make([]float32, width*Lanes), make([]float32, width*Lanes)
			f.tiles[width][1](&tileArgs{
				sources: unsafe.Pointer(&source), blocks: 1, b: unsafe.Pointer(&b[0]), c: unsafe.Pointer(&c[0]),
				cPixel: laneBytes, cBlock: laneBytes, bias: unsafe.Pointer(&bias[0]), relu: 1, rows: 1,
			})
			if c[0] == c[0] || c[1] != inf || c[2] != 0 || c[3] != 0 {
				t.Errorf("%v, width %d: ReLU of NaN, Inf, -Inf, -1 is %v", l, width, c[:4])
			}
		}
	}
}

// vectorTolerance bounds the relative error of the exponential, geluTolerance that of
// QuickGELU and GELU. There, rounding 1.702 x, which is up to 60, or x^2/2, which is up to
// 72, before the exponential adds 100 half units in the last place to values near zero.
const (
	vectorTolerance = 1e-6
	geluTolerance   = 1e-5
)

// TestVectorKernels compares the kernels on plain vectors with plain Go, for lengths from
// 0 to more than two iterations and for unaligned starts.
func TestVectorKernels(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for n := 0; n <= 5*Lanes; n += Lanes {
			for shift := range Lanes {
				values := random(uint64(n+shift), n+1, 8)[:n]
				if n > 3 {
					values[0], values[1], values[2] = -200, 90, float32(math.Inf(-1))
				}
				var lanes [Lanes]float32
				run := func(name string, tolerance float64, body func(f *family, x, lanes *float32)) {
					got, touched := guarded(n+1, shift)
					got[n] = guard
					copy(got, values)
					want := append([]float32(nil), values...)
					gotLanes, wantLanes := lanes, lanes
					body(f, &got[0], &gotLanes[0])
					body(&generic, unsafe.SliceData(want), &wantLanes[0])
					got = got[:n]
					for i := range got {
						if elementError(got[i], want[i]) > tolerance {
							t.Errorf("%s of %d, shift %d: element %d is %g, want %g", name, n, shift, i, got[i], want[i])
						}
					}
					for i := range lanes {
						if elementError(gotLanes[i], wantLanes[i]) > tolerance {
							t.Errorf("%s of %d, shift %d: lane %d is %g, want %g", name, n, shift, i, gotLanes[i], wantLanes[i])
						}
					}
					if touched() || got[:n+1][n] != guard {
						t.Errorf("%s of %d, shift %d: wrote outside the vector", name, n, shift)
					}
				}
				if n > 3 {
					values[1] = 8
				}
				run("maxLanes", 0, func(f *family, x, l *float32) { f.maxLanes(x, n, l) })
				run("expLanes", vectorTolerance, func(f *family, x, l *float32) { f.expLanes(x, n, 1.5, l) })
				run("scale", 0, func(f *family, x, l *float32) { f.scale(x, n, 0.3) })
				if n > 3 {
					values[2] = -60
				}
				run("quickGELU", geluTolerance, func(f *family, x, l *float32) { f.quickGELU(x, n) })
				if n > 3 {
					values[0], values[2] = float32(math.NaN()), -12
				}
				run("gelu", geluTolerance, func(f *family, x, l *float32) { f.gelu(x, n) })
			}
		}
	})
}

// elementError returns the error of one value, relative to the value if that is larger
// than the exponential's smallest nonzero result.
func elementError(got, want float32) float64 {
	if got == want || got != got && want != want {
		return 0
	}
	return math.Abs(float64(got)-float64(want)) / math.Max(math.Abs(float64(want)), 1e-30)
}

func TestSoftmaxSpecialRows(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	eachLevel(t, func(t *testing.T) {
		x := make([]float32, 40)
		for i := range x {
			x[i] = inf
		}
		x[3], x[33] = 1, 1
		Softmax(x, 1, len(x))
		for i, v := range x {
			if want := map[bool]float32{true: 0.5}[i == 3 || i == 33]; v != want {
				t.Errorf("masked row: element %d is %g, want %g", i, v, want)
			}
		}
		x[7] = nan
		Softmax(x, 1, len(x))
		for i, v := range x {
			if v == v {
				t.Errorf("row with NaN: element %d is %g", i, v)
			}
		}
	})
}

// TestWinogradKernels compares the transforms with plain Go, for each set of
// columns inside the map.
func TestWinogradKernels(t *testing.T) {
	const blocks, tiles = 3, 5
	eachFamily(t, func(t *testing.T, f *family) {
		for _, m := range []int{2, 4} {
			n := m + 2
			work := Alloc(36 * Lanes)
			for columns := range 1 << n {
				src := random(uint64(columns), n*blocks*n*Lanes, 1)
				var in winogradIn
				for r := range n {
					in.rows[r] = unsafe.Pointer(&src[(r*blocks*n+1)*Lanes])
					in.step[r] = n * laneBytes
				}
				in.tap, in.block, in.blocks, in.columns = blocks*tiles*laneBytes, tiles*laneBytes, blocks, columns
				in.work = unsafe.Pointer(&work[0])
				size := ((n*n-1)*blocks + blocks - 1) * tiles * Lanes
				got, touched := guarded(size+Lanes, columns)
				want := append([]float32(nil), got...)
				in.dst = unsafe.Pointer(&got[0])
				f.winogradIn[m](&in)
				in.dst = unsafe.Pointer(&want[0])
				generic.winogradIn[m](&in)
				if e := relativeError(got, want); e > exactTolerance || touched() {
					t.Errorf("input of F(%d), columns %06b: error %g, wrote outside: %v", m, columns, e, touched())
				}
			}
			for variant := range 1 << m * 4 {
				products := random(uint64(variant), n*n*blocks*tiles*Lanes, 1)
				bias := random(9, blocks*Lanes, 1)
				out := winogradOut{
					src: unsafe.Pointer(&products[0]), tap: blocks * tiles * laneBytes, block: tiles * laneBytes,
					blocks: blocks, columns: variant >> 2, bias: unsafe.Pointer(&bias[0]), add: variant & 1, work: unsafe.Pointer(&work[0]),
				}
				if variant&2 == 0 {
					out.floor = float32(math.Inf(-1))
				}
				got, touched := guarded(m*blocks*m*Lanes, variant)
				copy(got, random(11, len(got), 1))
				want := append([]float32(nil), got...)
				for _, run := range []struct {
					f   *family
					dst []float32
				}{{f, got}, {&generic, want}} {
					for r := range m {
						out.rows[r], out.step[r] = unsafe.Pointer(&run.dst[r*blocks*m*Lanes]), m*laneBytes
					}
					run.f.winogradOut[m](&out)
				}
				if e := relativeError(got, want); e > exactTolerance || touched() {
					t.Errorf("output of F(%d), variant %b: error %g, wrote outside: %v", m, variant, e, touched())
				}
			}
		}
	})
}

func TestTranspose(t *testing.T) {
	for _, l := range cpu.Supported() {
		for rows := range 20 {
			for columns := range 20 {
				src := random(uint64(rows*20+columns), rows*(columns+3)+1, 1)
				got, touched := guarded(columns*(rows+2), rows)
				families[l].transposeAny(got, src, rows+2, columns+3, rows, columns)
				for j := range columns {
					for r := range rows + 2 {
						want := float32(guard)
						if r < rows {
							want = src[r*(columns+3)+j]
						}
						if got[j*(rows+2)+r] != want {
							t.Fatalf("%v, %dx%d: element %d,%d is %g, want %g", l, rows, columns, j, r, got[j*(rows+2)+r], want)
						}
					}
				}
				if touched() {
					t.Errorf("%v, %dx%d: wrote outside the matrix", l, rows, columns)
				}
			}
		}
	}
}
