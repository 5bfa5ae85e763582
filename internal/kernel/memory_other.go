//go:build !linux

package kernel

// adviseHugePages does nothing: only Linux has this advice.
func adviseHugePages([]float32) {}

// Borrow is Alloc of memory that is given back by a call where it is mapped, which only Linux
// does. The memory must not be used after it was given back.
func Borrow(n int) (values []float32, giveBack func()) { return Alloc(n), func() {} }
