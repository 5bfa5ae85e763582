//go:build !noasm

package cpu

import "golang.org/x/sys/unix"

// hasBFloat16 asks the system, which has no entry of this name before the processors
// that have the feature (M2).
func hasBFloat16() bool {
	v, err := unix.SysctlUint32("hw.optional.arm.FEAT_BF16")
	return err == nil && v == 1
}
