package kernel

// Alloc returns n zeroed floats, aligned as the kernels like them, for the
// maps of MapOn and other large buffers of the towers.
func Alloc(n int) []float32 { return alignedFloats(n) }
