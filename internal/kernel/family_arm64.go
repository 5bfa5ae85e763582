//go:build arm64 && !noasm

package kernel

import "github.com/clipnh/clipnh/internal/kernel/cpu"

func init() {
	families[cpu.NEON] = &neon
	if cpu.BFloat16() {
		neon.pairTiles[1] = []tileFunc{nil, tilePairs1x1NEON, tilePairs2x1NEON, tilePairs3x1NEON, tilePairs4x1NEON, tilePairs5x1NEON, tilePairs6x1NEON}
		neon.pairs, neon.alternate = pairsNEON, true
	}
}

// neon is the family with 128-bit vectors: a block is four of them. Its 24 sums in
// registers allow one block of outputs.
var neon = family{
	tiles: [maxWidth + 1][]tileFunc{
		1: {nil, tile1x1NEON, tile2x1NEON, tile3x1NEON, tile4x1NEON, tile5x1NEON, tile6x1NEON},
	},
	winogradIn:  [5]func(*winogradIn){2: winogradIn2NEON, 4: winogradIn4NEON},
	winogradOut: [5]func(*winogradOut){2: winogradOut2NEON, 4: winogradOut4NEON},
	transpose:   transposeNEON,
	layerNorm:   layerNormNEON,
	addRows:     addRowsNEON,
	addHalfRows: addHalfRowsNEON,
	sumRows:     addRowsNEON, // the compiler fuses there

	softmaxPixel: softmaxPixelNEON,

	quickGELU: quickGELUNEON,
	gelu:      geluNEON,
	maxLanes:  maxLanesNEON,
	expLanes:  expLanesNEON,
	scale:     scaleNEON,
	poolRow:   poolRowNEON,
}
