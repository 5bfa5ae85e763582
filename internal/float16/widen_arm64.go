//go:build arm64 && !noasm

package float16

// widenMost converts whole groups of eight and returns how many numbers that are.
func widenMost(dst []float32, src []byte) int {
	n := len(dst) &^ 7
	if n > 0 {
		widenNEON(&dst[0], &src[0], n)
	}
	return n
}
