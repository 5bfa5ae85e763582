package cpu

import "golang.org/x/sys/unix"

// fastProcessors returns how many processors are of the fastest kind, of all that this program
// may use. Kinds are numbered from the fastest; the system does not say how fast the others are,
// and it runs busy threads on the fast ones as long as there are any.
func fastProcessors(all int) int {
	kinds, err := unix.SysctlUint32("hw.nperflevels")
	if err != nil || kinds < 2 {
		return all
	}
	fast, err := unix.SysctlUint32("hw.perflevel0.logicalcpu")
	if err != nil || fast < 1 {
		return all
	}
	return int(fast)
}
