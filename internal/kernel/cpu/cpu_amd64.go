//go:build amd64 && !noasm

package cpu

import "golang.org/x/sys/cpu"

// unsupported says why a known level cannot be used.
const unsupported = "not supported by this processor"

// best returns the best level that the processor and, by XGETBV, the operating system
// support.
func best() Level {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA || !x.HasF16C:
		return Generic
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL:
		return AVX512
	}
	return AVX2
}

// BFloat16 reports whether the AVX512 level has dot products of bfloat16 pairs
// (AVX512-BF16).
func BFloat16() bool { return best() == AVX512 && cpu.X86.HasAVX512BF16 }
