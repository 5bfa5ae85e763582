package cache

import "path/filepath"

// Lock holds the lock file path until release is called or the process dies. It fails
// with ErrLocked if another process, or another caller in this one, holds it. On
// systems without flock a killed process leaves the lock behind.
func Lock(path string) (release func(), err error) { return osDisk{}.lock(path) }

// Rename renames the file from to to, in the same folder, replacing a file there. When
// it returns, the new name survives a crash. The file itself must be synced before.
func Rename(from, to string) error {
	if err := (osDisk{}).rename(from, to); err != nil {
		return err
	}
	return osDisk{}.syncDir(filepath.Dir(to))
}
