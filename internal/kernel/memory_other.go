//go:build !linux

package kernel

// adviseHugePages does nothing: only Linux has this advice.
func adviseHugePages([]float32) {}
