package cache

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// A Leftover is a temporary file that a killed run left, which no other resumes
// from.
type Leftover struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// Leftovers lists the temporary files in a folder that have our mark and that no
// writer at work holds, by name.
func Leftovers(dir string) ([]Leftover, error) { return leftovers(osDisk{}, dir) }

func leftovers(d disk, dir string) ([]Leftover, error) {
	names, err := d.names(dir)
	if err != nil {
		return nil, err
	}
	var found []Leftover
	for _, name := range names {
		target, ok := TemporaryOf(name)
		if !ok {
			continue
		}
		for _, lock := range []string{target + lockSuffix, trimJournal(target) + lockSuffix, lockSuffix} {
			held, err := d.locked(filepath.Join(dir, lock))
			if err != nil {
				return nil, err
			}
			ok = ok && !held
		}
		info, err := d.stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) || !ok {
			continue // its writer is at work, or was done just now
		}
		if err != nil {
			return nil, err
		}
		found = append(found, Leftover{filepath.Join(dir, name), info.Size()})
	}
	return found, nil
}

// trimJournal is the path of the artefact whose journal path is, and else path.
func trimJournal(path string) string {
	if filepath.Ext(path) == ".journal" {
		return path[:len(path)-len(".journal")]
	}
	return path
}

// RemoveLeftovers removes the Leftovers of a folder, and returns those that it
// removed.
func RemoveLeftovers(dir string) ([]Leftover, error) {
	all, err := Leftovers(dir)
	for i, l := range all {
		if e := removeIfThere(osDisk{}, l.Path); e != nil {
			return all[:i], e
		}
	}
	return all, err
}

// RemoveFile removes the file that WriteFile wrote at path, if it is there, and
// what killed writers of it left.
func RemoveFile(path string) error { return removeFile(osDisk{}, path) }

func removeFile(d disk, path string) error {
	if err := removeIfThere(d, path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	names, err := d.names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if of, ok := TemporaryOf(name); ok && of == filepath.Base(path) {
			return locked(d, path, path+lockSuffix, func(lock *held) error { return sweep(d, layout{dir: dir, payload: path}, lock) })
		}
	}
	return nil
}
