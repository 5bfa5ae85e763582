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
