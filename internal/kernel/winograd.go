package kernel

import "unsafe"

// winogradIn are the arguments of an input transform, which transforms a tile of
// n x n inputs (n = 4 for F(2x2), 6 for F(4x4)) into n*n taps:
//
//	for b in 0..blocks, l in 0..Lanes:
//	    d[r,c] = rows[r][b,c-1,l] if columns has bit c, else 0
//	    dst[i,j][b,l] = (B^T d B)[i,j]
//
// Offsets are in bytes.
type winogradIn struct {
	rows    [6]unsafe.Pointer // second column of each row of the tile, which is inside the map; or zeros
	step    [6]int            // offset of the next block in each row; 0 for zeros
	dst     unsafe.Pointer    // the tile's place in tap 0, block 0
	tap     int               // offset of the next tap
	block   int               // offset of the next block
	blocks  int               // blocks of channels, at least 1
	columns int               // bit c: column c is inside the map
	work    unsafe.Pointer    // scratch memory of n*n pixels
}

// winogradOut are the arguments of an output transform, which transforms the n*n
// products of a tile into m x m outputs (m = n-2):
//
//	for b in 0..blocks, l in 0..Lanes:
//	    y = A^T src[.,.][b,l] A + bias[b,l]
//	    for r, c in 0..m if columns has bit c:
//	        y[r,c] += rows[r][b,c,l] if add
//	        rows[r][b,c,l] = max(y[r,c], floor)
type winogradOut struct {
	src     unsafe.Pointer    // the tile's place in tap 0, block 0
	tap     int               // offset of the next tap
	block   int               // offset of the next block
	rows    [4]unsafe.Pointer // first column of each row of outputs; or memory for unused outputs
	step    [4]int            // offset of the next block in each row; 0 for unused outputs
	blocks  int               // blocks of channels, at least 1
	columns int               // bit c: column c is inside the map
	bias    unsafe.Pointer    // [blocks*Lanes]
	floor   float32           // 0 for a ReLU, -Inf for none
	add     int               // 1: add to the values in rows
	work    unsafe.Pointer    // scratch memory of n*m pixels
}

// The transforms of F(2x2, 3x3) and F(4x4, 3x3) come from evaluating and
// interpolating polynomials at chosen points (S. Winograd, Arithmetic
// Complexity of Computations, 1980; A. Lavin and S. Gray, arXiv:1509.09308).
// F(2x2) uses 0, 1, -1 and infinity. F(4x4) uses 0, +-sqrt(1/2), +-sqrt(2) and
// infinity: their powers have the smallest range, and the error is a third of that of
// the usual points 0, +-1, +-2.

// winogradKernelLine2 and winogradKernelLine4 return G g of F(2x2) and of F(4x4) for one line
// (a, b, c) of the kernel: the polynomial a + b p + c p^2 at each point p, divided by the
// product of p's distances to the other points. The weights of the taps are G g G^T.
func winogradKernelLine2(a, b, c float64) (v0, v1, v2, v3 float64) {
	return a, (a + c + b) / 2, (a + c - b) / 2, c
}

func winogradKernelLine4(a, b, c float64) (v0, v1, v2, v3, v4, v5 float64) {
	evenA, oddA := (a+c/2)*(-2./3), b*(-2./3*sqrtHalf)
	evenB, oddB := (a+c*2)*(1./6), b*(1./6*sqrt2)
	return a, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, c
}

const (
	sqrt2    = 1.4142135623730950488
	sqrtHalf = sqrt2 / 2
)
