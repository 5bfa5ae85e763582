package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseHugePages requests huge pages for the whole 2 MiB pages inside buf. Its error
// is ignored: a system without huge pages is only slower.
func adviseHugePages(buf []float32) {
	addr := uintptr(unsafe.Pointer(&buf[0]))
	first := (hugePage - addr%hugePage) % hugePage / 4
	n := (len(buf) - int(first)) * 4 / hugePage * hugePage
	if n <= 0 {
		return
	}
	_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(&buf[first])), n), unix.MADV_HUGEPAGE)
}

// Borrow is Alloc of memory that is given back by a call, and not by the garbage collector.
// Where the system has memory to map, its pages are cleared when they are first used, as huge
// ones: the runtime clears memory that was in use before, page by page, before Alloc can ask
// for those. The memory must not be used after it was given back.
func Borrow(n int) (values []float32, giveBack func()) {
	const line = cacheLine / 4
	mapped, err := unix.Mmap(-1, 0, (n+line)*4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return Alloc(n), func() {}
	}
	values = unsafe.Slice((*float32)(unsafe.Pointer(&mapped[0])), n+line)
	adviseHugePages(values)
	return values[:n], func() { _ = unix.Munmap(mapped) } // fails for no mapping of Mmap's
}
