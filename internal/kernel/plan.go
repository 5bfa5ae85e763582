package kernel

import "github.com/clipnh/clipnh/internal/kernel/cpu"

// plan chooses the algorithm for Auto.
//
// Winograd's F(4x4) has the fewest products, but four times the weights of the 3x3
// kernel itself (F(2x2) has 1.8 times). With few tiles, reading the weights from memory
// takes longer than multiplying. Measured in microseconds per image, with AVX-512 on a
// Zen 4 core (117 GFLOP/s); weights above 1 MiB were not in any cache at the start of a
// call. C channels in and out, maps of HW x HW:
//
//	  C   HW   tiles of 4x4   direct   F(2x2)   F(4x4)
//	 32    7        4            8.6      7.4      5.2
//	 64    7        4             33       22       14
//	128    7        4            136       81      120
//	512    7        4           2100     1340     1800
//	512    7       16           2080     1300      770   batch of 4
//	 64   10        9             65       38       29
//	512   10        9           4300     1930     1860
//	256   14       16           2060     1060      720
//	512   14       16           8350     4030     2960
//	 16   56      196            170      121       70
//	128   56      196           8220     4140     2500
//
// The order is the same for AVX2 and plain Go. A Zen 5 core multiplies twice as fast with
// AVX-512 (215 GFLOP/s) while memory is no faster, but its products wait less for their
// weights:
//
//	  C   HW   tiles of 4x4   F(2x2)   F(4x4)
//	512    7        4            700     1760
//	768   12        9           3640     4680
//	256   14       16            520      430
//	512   14       16           2470     1750
//	384   24       36           3930     2150
//
// So nine tiles are few with AVX-512. With AVX2 the 9 tiles' products take longer than
// their weights' way.
func (s *ConvSpec) plan() Algorithm {
	const weightsCache = 1 << 20 // bytes of the second-level cache
	fewTiles := 8
	if cpu.Active() == cpu.AVX512 {
		fewTiles = 9
	}
	if s.Algorithm != Auto {
		return s.Algorithm
	}
	if s.Kernel == 1 {
		return GEMM
	}
	tiles := s.Images * ((s.H + 3) / 4) * ((s.W + 3) / 4)
	weights := blocksOf(s.In[0]) * blocksOf(s.Out) * blockFloats * 36 * 4
	if tiles <= fewTiles && weights > weightsCache {
		return Winograd2
	}
	return Winograd4
}
