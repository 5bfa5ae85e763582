//go:build !linux && !darwin && !noasm

package cpu

// hasBFloat16 reports false: how to ask this system is not known here.
func hasBFloat16() bool { return false }
