//go:build amd64 && !noasm

package omp

import "github.com/clipnh/clipnh/internal/kernel/cpu"

// panels returns the implementation for the active level of vector instructions.
func panels() panelFuncs {
	switch cpu.Active() {
	case cpu.AVX512:
		return panelFuncs{accumulateAVX512, hitsAVX512}
	case cpu.AVX2:
		return panelFuncs{accumulateAVX2, hitsAVX2}
	}
	return panelFuncs{accumulateRef, hitsRef}
}

// See panelFuncs.

//go:noescape
func accumulateAVX512(sums *float32, panel *int16, pairs *pair, n int)

//go:noescape
func accumulateAVX2(sums *float32, panel *int16, pairs *pair, n int)

//go:noescape
func hitsAVX512(found *int32, sums, norms *float32, limits *limit, n int) int

//go:noescape
func hitsAVX2(found *int32, sums, norms *float32, limits *limit, n int) int
