package kernel

import "unsafe"

// cacheLine is the alignment of memory that kernels read and write, in bytes.
const cacheLine = 64

// hugePage is the size of the pages requested for large buffers, in bytes.
const hugePage = 2 << 20

// Alloc returns n zeroed floats for use by kernels. They start at a cache line and
// are followed by a spare one, so that a pointer to their end stays inside the
// allocation. For large buffers it requests huge pages, which reduce the address
// translations of strided reads.
func Alloc(n int) []float32 {
	const line = cacheLine / 4
	buf := make([]float32, n+2*line)
	skip := 0
	if r := int(uintptr(unsafe.Pointer(&buf[0])) % cacheLine); r != 0 {
		skip = (cacheLine - r) / 4
	}
	buf = buf[skip : skip+n+line]
	if len(buf)*4 >= 2*hugePage {
		adviseHugePages(buf)
	}
	return buf[:n]
}
