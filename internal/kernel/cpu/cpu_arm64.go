//go:build arm64 && !noasm

package cpu

// unsupported says why a known level cannot be used.
const unsupported = "not supported by this processor"

// best returns NEON, which every arm64 processor has.
func best() Level { return NEON }

// BFloat16 reports whether the NEON level has products of bfloat16 matrices (BFMMLA).
func BFloat16() bool { return bfloat16 }

var bfloat16 = hasBFloat16()
