//go:build amd64 && !noasm

package kernel

import "github.com/clipnh/clipnh/internal/kernel/cpu"

func init() {
	families[cpu.AVX2] = &avx2
	families[cpu.AVX512] = &avx512
	if cpu.BFloat16() {
		avx512.pairTiles = avx512Pairs
		avx512.pairs = pairsAVX512
	}
}

// avx512Pairs are the tile kernels with AVX512-BF16.
var avx512Pairs = [maxWidth + 1][]tileFunc{
	1: {nil, tilePairs1x1AVX512, tilePairs2x1AVX512, tilePairs3x1AVX512, tilePairs4x1AVX512, tilePairs5x1AVX512, tilePairs6x1AVX512, tilePairs7x1AVX512, tilePairs8x1AVX512, tilePairs9x1AVX512, tilePairs10x1AVX512, tilePairs11x1AVX512, tilePairs12x1AVX512, tilePairs13x1AVX512, tilePairs14x1AVX512},
	2: {nil, tilePairs1x2AVX512, tilePairs2x2AVX512, tilePairs3x2AVX512, tilePairs4x2AVX512, tilePairs5x2AVX512, tilePairs6x2AVX512, tilePairs7x2AVX512, tilePairs8x2AVX512, tilePairs9x2AVX512, tilePairs10x2AVX512, tilePairs11x2AVX512, tilePairs12x2AVX512, tilePairs13x2AVX512, tilePairs14x2AVX512},
	3: {nil, tilePairs1x3AVX512, tilePairs2x3AVX512, tilePairs3x3AVX512, tilePairs4x3AVX512, tilePairs5x3AVX512, tilePairs6x3AVX512, tilePairs7x3AVX512, tilePairs8x3AVX512},
}

// avx2 is the family with 256-bit vectors: a block is two of them. Its twelve sums in
// registers allow one block of outputs.
var avx2 = family{
	tiles: [maxWidth + 1][]tileFunc{
		1: {nil, tile1x1AVX2, tile2x1AVX2, tile3x1AVX2, tile4x1AVX2, tile5x1AVX2, tile6x1AVX2},
	},
	winogradIn:  [5]func(*winogradIn){2: winogradIn2AVX2, 4: winogradIn4AVX2},
	winogradOut: [5]func(*winogradOut){2: winogradOut2AVX2, 4: winogradOut4AVX2},
	transpose:   transposeAVX2,
	layerNorm:   layerNormAVX2,
	addRows:     addRowsAVX2,
	addHalfRows: addHalfRowsAVX2,
	sumRows:     sumRowsAVX2,
	dot:         dotAVX2,
	exceed:      exceedAVX2,
	finite:      finiteAVX2,

	softmaxPixel: softmaxPixelAVX2,

	quickGELU: quickGELUAVX2,
	gelu:      geluAVX2,
	maxLanes:  maxLanesAVX2,
	expLanes:  expLanesAVX2,
	scale:     scaleAVX2,
	poolRow:   poolRowAVX2,
}

// avx512 is the family with 512-bit vectors: a block is one of them.
var avx512 = family{
	tiles: [maxWidth + 1][]tileFunc{
		1: {nil, tile1x1AVX512, tile2x1AVX512, tile3x1AVX512, tile4x1AVX512, tile5x1AVX512, tile6x1AVX512, tile7x1AVX512, tile8x1AVX512, tile9x1AVX512, tile10x1AVX512, tile11x1AVX512, tile12x1AVX512, tile13x1AVX512, tile14x1AVX512},
		2: {nil, tile1x2AVX512, tile2x2AVX512, tile3x2AVX512, tile4x2AVX512, tile5x2AVX512, tile6x2AVX512, tile7x2AVX512, tile8x2AVX512, tile9x2AVX512, tile10x2AVX512, tile11x2AVX512, tile12x2AVX512, tile13x2AVX512, tile14x2AVX512},
		3: {nil, tile1x3AVX512, tile2x3AVX512, tile3x3AVX512, tile4x3AVX512, tile5x3AVX512, tile6x3AVX512, tile7x3AVX512, tile8x3AVX512},
	},
	winogradIn:  [5]func(*winogradIn){2: winogradIn2AVX512, 4: winogradIn4AVX512},
	winogradOut: [5]func(*winogradOut){2: winogradOut2AVX512, 4: winogradOut4AVX512},
	transpose:   transposeAVX2,
	layerNorm:   layerNormAVX512,
	addRows:     addRowsAVX512,
	addHalfRows: addHalfRowsAVX512,
	sumRows:     sumRowsAVX512,
	dot:         dotAVX2,
	exceed:      exceedAVX2,
	finite:      finiteAVX2,

	softmaxPixel: softmaxPixelAVX512,

	quickGELU: quickGELUAVX512,
	gelu:      geluAVX512,
	maxLanes:  maxLanesAVX512,
	expLanes:  expLanesAVX512,
	scale:     scaleAVX512,
	poolRow:   poolRowAVX512,
}
