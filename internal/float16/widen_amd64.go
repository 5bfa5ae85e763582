//go:build amd64 && !noasm

package float16

import "github.com/clipnh/clipnh/internal/kernel/cpu"

// widenMost converts whole groups of eight and returns how many numbers that are.
func widenMost(dst []float32, src []byte) int {
	n := len(dst) &^ 7
	if n == 0 || cpu.Active() < cpu.AVX2 {
		return 0
	}
	widenAVX2(&dst[0], &src[0], n)
	return n
}
