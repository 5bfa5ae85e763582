//go:build (linux || darwin) && (amd64 || arm64)

package mapping

import (
	"os"

	"golang.org/x/sys/unix"
)

const supported = true

func mapFile(f *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

func unmap(data []byte) error { return unix.Munmap(data) }
