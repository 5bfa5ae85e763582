//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Writable returns why no file can be made in a folder, and nil where one can. It makes
// none, so that a run which is killed here leaves nothing.
func Writable(dir string) error {
	err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return probe(dir) // there is no telling for the user that counts
	}
	return err
}
