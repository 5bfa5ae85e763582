package ptfile

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkToFloat32 measures the conversion alone, in bytes of the source,
// on a chunk that stays in the cache.
func BenchmarkToFloat32(b *testing.B) {
	for _, d := range []DType{Float16, BFloat16, Float32, Int64} {
		b.Run(fmt.Sprint("dtype=", d), func(b *testing.B) {
			src := make([]byte, chunkBytes)
			dst := make([]float32, chunkBytes/d.Size())
			halves := weights(len(src) / 2)
			for i := range src {
				src[i] = byte(halves[i/2] >> (8 * (i % 2)))
			}
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				toFloat32(dst, src, d)
			}
		})
	}
}

// weights draws n halves with the exponents of usual weights, 2^-15 to 2^0,
// so the slow ways out of the loop are as rare as in a checkpoint.
func weights(n int) []uint16 {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]uint16, n)
	for i := range list {
		list[i] = uint16(rng.IntN(2)<<15 | (1+rng.IntN(15))<<10 | rng.IntN(1<<10))
	}
	return list
}
