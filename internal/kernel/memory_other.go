//go:build !linux

package kernel

// adviseHugePages does nothing: only Linux takes such advice.
func adviseHugePages([]float32) {}
