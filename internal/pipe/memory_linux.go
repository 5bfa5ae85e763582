//go:build amd64 || arm64

package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// newMemoryFile makes a file without a name, in memory. It cannot be made shorter: were
// it cut, the next touch of its memory would end this program.
func newMemoryFile() (*os.File, error) {
	descriptor, err := unix.MemfdCreate("clipnh", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(descriptor), "shared memory")
	if _, err := unix.FcntlInt(uintptr(descriptor), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
