//go:build (linux || darwin) && (amd64 || arm64)

package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// memoryDescriptor is where the helper finds the file of the shared memory: the first
// after its standard streams.
const memoryDescriptor = 3

// MemoryFile is the file that a helper gives Serve: what Start shares, or nil where it
// shares none.
func MemoryFile() *os.File {
	// Another file than Start's may be the runtime's own, which an os.File would close.
	var about unix.Stat_t
	if unix.Fstat(memoryDescriptor, &about) != nil || about.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	return os.NewFile(memoryDescriptor, "shared memory")
}

// mapShared maps the first size bytes of a file of newMemoryFile.
func mapShared(f *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func unmapShared(b []byte) error { return unix.Munmap(b) }

// grow makes the file of the shared memory longer.
func grow(f *os.File, size int64) error { return f.Truncate(size) }
