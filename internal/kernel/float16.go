package kernel

// Float16ToFloat32 converts len(dst) little-endian IEEE half floats. It is
// exact; NaNs stay NaN.
func Float16ToFloat32(dst []float32, src []byte) {
	if len(src) < 2*len(dst) {
		panic("kernel: short half floats")
	}
	n := len(dst)
	i := n &^ (Lanes - 1)
	if i > 0 {
		activeFamily().float16ToFloat32(&dst[0], &src[0], i)
	}
	if i < n {
		float16ToFloat32Ref(&dst[i], &src[2*i], n-i)
	}
}

// BFloat16ToFloat32 converts len(dst) little-endian bfloat16 values: each is
// the upper half of a float32. It is exact.
func BFloat16ToFloat32(dst []float32, src []byte) {
	if len(src) < 2*len(dst) {
		panic("kernel: short bfloat16 values")
	}
	n := len(dst)
	i := n &^ (Lanes - 1)
	if i > 0 {
		activeFamily().bfloat16ToFloat32(&dst[0], &src[0], i)
	}
	if i < n {
		bfloat16ToFloat32Ref(&dst[i], &src[2*i], n-i)
	}
}

// Float32ToFloat16 converts len(src) values to little-endian IEEE half floats,
// rounding to the nearest, ties to even. Values too large become infinite;
// NaNs stay NaN.
func Float32ToFloat16(dst []byte, src []float32) {
	if len(dst) < 2*len(src) {
		panic("kernel: short half floats")
	}
	n := len(src)
	i := n &^ (Lanes - 1)
	if i > 0 {
		activeFamily().float32ToFloat16(&dst[0], &src[0], i)
	}
	if i < n {
		float32ToFloat16Ref(&dst[2*i], &src[i], n-i)
	}
}
