//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// noFollow makes the opening of a link an error.
const noFollow = unix.O_NOFOLLOW

// flock is replaced in tests by that of file systems which have none.
type flock func(fd int, how int) error

// lockFile takes path as a lock with flock. The file is removed when the lock is
// released.
func lockFile(path string) (*held, error) { return lockFileWith(path, unix.Flock) }

func lockFileWith(path string, flock flock) (*held, error) {
	taken := ""
	for {
		made := true
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			made = false
			// Not through a link, and without waiting for the other end of a pipe.
			f, err = os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		}
		switch {
		case !made && errors.Is(err, fs.ErrNotExist):
			continue // released just now
		case !made && (errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EISDIR)):
			return nil, notALock(path)
		case err != nil:
			return nil, err
		}
		ours, err := f.Stat()
		if err == nil && !ours.Mode().IsRegular() {
			err = notALock(path)
		} else if err == nil && ours.Size() > 0 {
			err = lockedBy(path)
		}
		if err != nil {
			f.Close()
			if errors.Is(err, ErrLocked) {
				note, e := takeOver(path)
				if taken = note; note != "" && e == nil {
					continue
				}
				err = cmp.Or(e, err)
			}
			return nil, err
		}
		for looks := 0; ; {
			err = flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
			if err == unix.EWOULDBLOCK && looks < 3 { // maybe a look by lockHeld, which is short
				looks++
				time.Sleep(time.Millisecond)
			} else if err != unix.EINTR {
				break
			}
		}
		switch {
		case err == unix.EWOULDBLOCK:
			f.Close()
			return nil, ErrLocked
		case noFlock(err) && made:
			h, err := createLock(path, f)
			if err == nil {
				h.taken = taken
			}
			return h, err
		case err != nil:
			f.Close()
			if noFlock(err) {
				return nil, lockedBy(path)
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// The former holder may have removed the file between our opening and
		// our locking it; then others lock a new one and ours counts for
		// nothing.
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			return &held{taken: taken, release: func() {
				os.Remove(path)
				f.Close()
			}}, nil
		}
		f.Close()
	}
}

// lockHeld reports whether somebody holds the lock file at path, who may have died
// where there is no flock.
func lockHeld(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	if info.Size() > 0 {
		return true, nil
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) // ends with the file's being closed
	return err != nil, nil
}

// noFlock reports whether the file system has no flock: Lustre without its option,
// NFS without a lock daemon.
func noFlock(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTSUP)
}

// alive reports whether a process of this machine is running.
func alive(pid int) bool { return pid > 0 && unix.Kill(pid, 0) != unix.ESRCH }
