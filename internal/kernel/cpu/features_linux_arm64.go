//go:build !noasm

package cpu

import "golang.org/x/sys/unix"

// hasBFloat16 looks the feature up in what the kernel says of the processor: bit
// HWCAP2_BF16 of the auxiliary vector's entry AT_HWCAP2.
func hasBFloat16() bool {
	const (
		entry = 26
		bit   = 1 << 14
	)
	vector, err := unix.Auxv()
	if err != nil {
		return false // an older runtime: the slower products serve
	}
	for _, e := range vector {
		if e[0] == entry {
			return e[1]&bit != 0
		}
	}
	return false
}
