package cache

import "path/filepath"

// Lock takes path as a lock file until release is called, or the process dies; it is
// ErrLocked while another process, or another caller in this one, holds it. Where
// there is no flock a killed process leaves the lock behind.
func Lock(path string) (release func(), err error) {
	h, err := osDisk{}.lock(path)
	if err != nil {
		return nil, err
	}
	return h.release, nil
}

// Rename renames the file from to to, in the same folder, replacing a file there. When
// it returns, the new name survives a crash. The file itself must be synced before.
func Rename(from, to string) error {
	if err := (osDisk{}).rename(from, to); err != nil {
		return err
	}
	return osDisk{}.syncDir(filepath.Dir(to))
}
