package cache

import (
	"errors"
	"io/fs"
	"os"
)

// WriterGone reports whether certainly nobody writes the artefact at path, or its state: its
// locks are not there, their holders are gone, or flock on this machine's own file system says
// that nobody holds them. What lies on a file system of several machines may be written by one
// whose flocks this one does not see, so that there a lock file counts as held.
func WriterGone(path string) bool {
	path, err := followed(path)
	if err != nil {
		return false
	}
	locks := []string{fileLayout(path).lock, State{Artefact: path}.Path() + ".run" + lockSuffix}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		locks = append(locks, folderLayout(path, "").lock)
	}
	for _, lock := range locks {
		info, err := os.Lstat(lock)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return false
		case info.Size() > 0:
			if !lockOfDead(lock) {
				return false
			}
			continue
		}
		if held, err := lockHeld(lock); held || err != nil || !ownFileSystem(lock) {
			return false
		}
	}
	return true
}
