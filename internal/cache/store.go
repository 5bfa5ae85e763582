package cache

import (
	"context"
	"io"
	"path/filepath"
	"sync"
)

// A Store is how artefacts are written. The zero value, and nil, take lock files
// and tell nobody anything; the functions of the same names use that.
type Store struct {
	// NoLock takes no lock files: the caller sees to it that no two writers of one
	// path are at work. What killed runs left is not removed then.
	NoLock bool

	// Note, unless it is nil, is given what a person should know, such as that the
	// file system cannot lock. It is called once for each kind of note.
	Note func(text string)

	noted sync.Once
	mu    sync.Mutex
	left  map[string]map[string][]string // by folder, and by what they are for; see leftBeside
}

func (s *Store) disk() disk {
	switch {
	case s == nil:
		return osDisk{}
	case s.NoLock:
		return unlocked{osDisk{}}
	case s.Note == nil:
		return osDisk{}
	}
	return noting{osDisk{}, s}
}

// noting is a disk that tells the store's user about its locks.
type noting struct {
	disk
	store *Store
}

func (n noting) lock(path string) (*held, error) {
	h, err := n.disk.lock(path)
	if err == nil && h.note != "" {
		n.store.noted.Do(func() { n.store.Note(h.note) })
	}
	return h, err
}

// WriteFile is the function of that name.
func (s *Store) WriteFile(path string, write func(io.Writer) error) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	left, err := s.leftBeside(path)
	if err != nil {
		return err
	}
	return writeFile(s.disk(), path, left, write)
}

// leftBeside returns the temporary files that killed writers of path left before this
// store first wrote to its folder. Folders are listed once, as they may have as many
// files as there are images.
func (s *Store) leftBeside(path string) ([]string, error) {
	dir := filepath.Dir(path)
	if s == nil {
		left, err := temporaries(osDisk{}, dir)
		return left[path], err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left, listed := s.left[dir]
	if !listed {
		var err error
		if left, err = temporaries(osDisk{}, dir); err != nil {
			return nil, err
		}
		if s.left == nil {
			s.left = map[string]map[string][]string{}
		}
		s.left[dir] = left
	}
	return left[path], nil
}

// Save is the function of that name.
func (s *Store) Save(path string, m Manifest, write func(io.Writer) error) (string, error) {
	path, err := target(path)
	if err != nil {
		return "", err
	}
	return save(s.disk(), path, m, write)
}

// OpenChunks is the function of that name.
func (s *Store) OpenChunks(path string, plan Plan, restart bool) (*ChunkWriter, error) {
	if plan.Payload == "" {
		var err error
		if path, err = target(path); err != nil {
			return nil, err
		}
	}
	return openChunks(s.disk(), path, plan, restart)
}

// OpenRepair is the function of that name.
func (s *Store) OpenRepair(ctx context.Context, path string, progress func(bytes int64)) (*Repair, error) {
	path, err := followed(path)
	if err != nil {
		return nil, err
	}
	return openRepair(ctx, s.disk(), path, progress)
}

// CanSave is the function of that name.
func (s *Store) CanSave(path, kind string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	return canSave(s.disk(), path, kind)
}

// RemoveFile is the function of that name.
func (s *Store) RemoveFile(path string) error { return removeFile(s.disk(), path) }

// LockArtefact is the function of that name.
func (s *Store) LockArtefact(path string) (release func(), err error) {
	return lockArtefact(s.disk(), path)
}
