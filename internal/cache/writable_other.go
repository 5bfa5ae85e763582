//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package cache

// Writable returns why no file can be made in a folder, and nil where one can.
func Writable(dir string) error { return probe(dir) }
