//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes path as a lock with flock, which ends with the process
// however it dies. The file is removed when the lock is released.
func lockFile(path string) (release func(), err error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		for {
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EINTR {
				break
			}
		}
		if err != nil {
			f.Close()
			if err == unix.EWOULDBLOCK {
				return nil, ErrLocked
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// The former holder may have removed the file between our opening and
		// our locking it; then others lock a new one and ours counts for
		// nothing.
		ours, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			return func() {
				os.Remove(path)
				f.Close()
			}, nil
		}
		f.Close()
	}
}
