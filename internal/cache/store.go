package cache

import (
	"context"
	"io"
	"path/filepath"
	"sync"
	"time"
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

	// Now, unless it is nil, is the clock by which journals say when a chunk was finished.
	Now func() time.Time

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
	if err == nil && h.taken != "" {
		n.store.Note(h.taken)
	}
	if err == nil && h.note != "" {
		n.store.noted.Do(func() { n.store.Note(h.note) })
	}
	return h, err
}

// WriteFile replaces the file at path by what write writes, completely or not at
// all: write goes to a temporary file in the same folder, which is synced and then
// renamed. On an error the temporary file is removed, and what killed writers of the
// same file left goes too. If path is a symbolic link,
// the file that it points to is replaced and the link stays.
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

// Left reports whether killed writers of the file at path left something beside it, which
// WriteFile removes.
func (s *Store) Left(path string) bool {
	path, err := target(path)
	if err != nil {
		return false
	}
	left, err := s.leftBeside(path)
	return err == nil && len(left) > 0
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

// Save writes a single-file artefact and its manifest, path + ".json". It fills in
// the fields Format, Version, Payloads and CRC of m, and returns the artefact's
// Hash. The payload's Kernel is this process's unless m has a payload with another, whose
// checksums of inputs it has then too.
//
// An older artefact of the same kind is replaced, once write has returned nil:
// until then, and whenever something fails, it stays as it is. Anything else at
// path, such as a file of another program or an artefact of another kind, is
// ErrExists. At every moment Open finds the old artefact, the new one, or, where
// there was none, nothing.
func (s *Store) Save(path string, m Manifest, write func(io.Writer) error) (string, error) {
	path, err := target(path)
	if err != nil {
		return "", err
	}
	return save(s.disk(), path, m, write)
}

// OpenChunks starts the collection that plan describes at path, or resumes it.
// It fails with ErrComplete if the artefact is already complete; with a
// *MismatchError (ErrStale) if there is an artefact of another plan, finished or
// not; with ErrExists if there is anything else; and with ErrLocked if another
// writer is running. With restart it removes an artefact at path first and
// starts from the beginning.
func (s *Store) OpenChunks(path string, plan Plan, restart bool) (*ChunkWriter, error) {
	if plan.Payload == "" {
		var err error
		if path, err = target(path); err != nil {
			return nil, err
		}
	}
	w, err := openChunks(s.disk(), path, plan, restart)
	if err == nil && s != nil {
		w.now = s.Now
	}
	return w, err
}

// OpenRepair reads the artefact at path and finds out what is damaged. It fails with
// ErrLocked if a writer is running, and with the errors of Inspect.
func (s *Store) OpenRepair(ctx context.Context, path string, progress func(bytes int64)) (*Repair, error) {
	path, err := followed(path)
	if err != nil {
		return nil, err
	}
	return openRepair(ctx, s.disk(), path, progress)
}

// CanSave returns the ErrExists that Save would fail with because of what is at path.
// Callers use it before long work. If a writer was killed while it replaced the
// artefact, CanSave completes the replacement or takes it back.
func (s *Store) CanSave(path, kind string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	return canSave(s.disk(), path, kind)
}

// RemoveFile removes the file that WriteFile wrote at path, if it is there, and
// what killed writers of it left.
func (s *Store) RemoveFile(path string) error { return removeFile(s.disk(), path) }

// LockArtefact locks the artefact at path, which need not exist, for work that takes
// several calls of this package. Until release is called, others that lock it get
// ErrLocked.
func (s *Store) LockArtefact(path string) (release func(), err error) {
	return lockArtefact(s.disk(), path)
}
