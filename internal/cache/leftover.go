package cache

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// A Leftover is a file that a killed run left, which no other resumes from: a
// temporary file or a lock file.
type Leftover struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`

	// Unmarked is one with a name that older builds gave, and other programs may have
	// given too: RemoveLeftovers lets it stay.
	Unmarked bool `json:"unmarked,omitempty"`
}

// settled is how old a file must be that a run makes and removes or locks at once.
const settled = time.Minute

// Leftovers lists the files in a folder that killed runs left, by name. Those of
// writers at work are not among them.
func Leftovers(dir string) ([]Leftover, error) { return leftovers(osDisk{}, dir) }

func leftovers(d disk, dir string) ([]Leftover, error) {
	names, err := d.names(dir)
	if err != nil {
		return nil, err
	}
	var found []Leftover
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := d.stat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // its writer was done just now; a link to nowhere; not a file
		}
		if err != nil {
			return nil, err
		}
		left, unmarked, err := isLeft(d, dir, name, info)
		if err != nil {
			return nil, err
		}
		if left {
			found = append(found, Leftover{path, info.Size(), unmarked})
		}
	}
	return found, nil
}

// isLeft reports whether a killed run left a file, and if so whether others may have.
func isLeft(d disk, dir, name string, info fs.FileInfo) (left, unmarked bool, err error) {
	path, old := filepath.Join(dir, name), time.Since(info.ModTime()) > settled
	if of, ok := TemporaryOf(name); ok {
		free, err := free(d, dir, of)
		return free, false, err
	}
	if isProbe(name) {
		return info.Size() == 0 && old, false, nil
	}
	if of, ok := strings.CutSuffix(name, tmpSuffix); ok {
		return leftUnmarked(d, dir, of)
	}
	of, ok := strings.CutSuffix(name, lockSuffix)
	switch {
	case !ok:
		return false, false, nil
	case info.Size() > 0:
		return lockOfDead(path), false, nil
	case !old:
		return false, false, nil
	}
	held, err := d.locked(path)
	if err != nil || held {
		return false, false, err
	}
	ours, err := lockIsOurs(d, dir, of)
	return ours, false, err
}

// free reports whether no writer of the artefact that a temporary file is for is at
// work.
func free(d disk, dir, of string) (bool, error) {
	for _, lock := range []string{of + lockSuffix, trimJournal(of) + lockSuffix, lockSuffix} {
		if held, err := d.locked(filepath.Join(dir, lock)); err != nil || held {
			return false, err
		}
	}
	return true, nil
}

// leftUnmarked reports whether a killed run of an older build left the temporary file
// of a name, for which it is enough that there is an artefact of that name. What has
// our mark inside is no other program's.
func leftUnmarked(d disk, dir, of string) (left, unmarked bool, err error) {
	at := fileLayout(filepath.Join(dir, strings.TrimSuffix(of, ".json")))
	if idle, err := free(d, dir, filepath.Base(at.payload)); err != nil || !idle {
		return false, false, err
	}
	if ours, err := marked(d, filepath.Join(dir, of+tmpSuffix)); err != nil || ours {
		if err == nil && of != filepath.Base(at.payload) {
			ours, err = leftByOlder(d, at, at.manifest+tmpSuffix)
		}
		return ours, false, err
	}
	for _, manifest := range []string{filepath.Join(dir, of+".json"), filepath.Join(dir, "manifest.json")} {
		if ours, err := marked(d, manifest); err != nil || ours {
			return ours, true, err
		}
	}
	return false, false, nil
}

// lockIsOurs reports whether an empty lock file of a name is one that this program
// made: that of an artefact, of a journal, of a state, or of a folder.
func lockIsOurs(d disk, dir, of string) (bool, error) {
	for _, suffix := range []string{StateEnd, StateEnd + ".run"} {
		if strings.HasSuffix(of, suffix) {
			return true, nil
		}
	}
	manifests := []string{of + ".json", of + ".json.pending", of + ".journal"}
	if of == "" {
		manifests = []string{"manifest.json", "journal"}
	}
	for _, name := range manifests {
		if ours, err := marked(d, filepath.Join(dir, name)); err != nil || ours {
			return ours, err
		}
	}
	return false, nil
}

// trimJournal is the path of the artefact whose journal path is, and else path.
func trimJournal(path string) string {
	if filepath.Ext(path) == ".journal" {
		return path[:len(path)-len(".journal")]
	}
	return path
}

// RemoveLeftovers removes the Leftovers of a folder but for unmarked ones, and returns
// all that there were.
func RemoveLeftovers(dir string) ([]Leftover, error) {
	all, err := Leftovers(dir)
	for i, l := range all {
		if l.Unmarked {
			continue
		}
		e := error(nil)
		if filepath.Ext(l.Path) == lockSuffix && l.Bytes == 0 {
			// Taken first, so that no run can hold what is removed.
			var h *held
			if h, e = lockFile(l.Path); e == nil {
				h.release()
			} else if errors.Is(e, ErrLocked) {
				e = nil // a run began just now
			}
		} else {
			e = removeIfThere(osDisk{}, l.Path)
		}
		if e != nil {
			return all[:i], e
		}
	}
	return all, err
}

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
