package kernel

// Float16ToFloat32 converts len(dst) little-endian IEEE half floats. It is
// exact; NaNs stay NaN.
func Float16ToFloat32(dst []float32, src []byte) {
	if len(src) < 2*len(dst) {
		panic("kernel: short half floats")
	}
	float16ToFloat32Ref(dst, src)
}

// BFloat16ToFloat32 converts len(dst) little-endian bfloat16 values: each is
// the upper half of a float32. It is exact.
func BFloat16ToFloat32(dst []float32, src []byte) {
	if len(src) < 2*len(dst) {
		panic("kernel: short bfloat16 values")
	}
	bfloat16ToFloat32Ref(dst, src)
}

// Float32ToFloat16 converts len(src) values to little-endian IEEE half floats,
// rounding to the nearest, ties to even. Values too large become infinite;
// NaNs stay NaN.
func Float32ToFloat16(dst []byte, src []float32) {
	if len(dst) < 2*len(src) {
		panic("kernel: short half floats")
	}
	float32ToFloat16Ref(dst, src)
}
