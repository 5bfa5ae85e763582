package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/clipnh/clipnh/internal/hint"
)

// A lock file is empty and held by flock, which ends with the process however it
// dies. Where the file system has no flock, the lock is the file itself: it says
// which process made it, on which machine, and stays when that is killed. Who finds
// the lock of a process that is certainly gone takes it over: see holder.

// lockMark begins a lock file that is not held by flock.
const lockMark = "clipnh lock"

// createLock makes a lock file that is a lock by being there. made is one that
// the caller has just made, and nobody before it; else it is nil.
func createLock(path string, made *os.File) (*held, error) {
	if made == nil {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			return nil, lockedBy(path)
		}
		if err != nil {
			return nil, err
		}
		made = f
	}
	h, err := self()
	if err == nil {
		_, err = made.WriteString(h.String())
	}
	if err == nil {
		err = made.Sync()
	}
	if err = errors.Join(err, made.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &held{
		release: func() { os.Remove(path) },
		note:    fmt.Sprintf("%s: no flock on this file system: a killed run leaves its lock file behind, which a run on the same machine takes over, and which otherwise is to be removed by hand", path),
	}, nil
}

// lockedBy is ErrLocked with what is known of who holds the lock file at path, or
// ErrExists where it is not a lock file.
func lockedBy(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrLocked // it was released just now
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > 4096 {
		return notALock(path)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	if len(data) == 0 { // being made, or left by an older build where there is no flock
		return hint.With(ErrLocked, fmt.Sprintf("if no other run is at work, remove %s", path))
	}
	h, ok := parseHolder(data)
	if !ok {
		return notALock(path)
	}
	err = fmt.Errorf("%w: process %d on %.60q", ErrLocked, h.process, h.machine)
	if h.killed() {
		return hint.With(fmt.Errorf("%w, which is no longer running", err), fmt.Sprintf("it was killed: remove %s", path))
	}
	return hint.With(err, fmt.Sprintf("wait until it is done; if it is no longer running there, remove %s", path))
}

// lockOfDead reports whether the lock file at path says that it was made by a process
// of this machine which is no longer running.
func lockOfDead(path string) bool {
	h, ok, err := readHolder(path)
	return err == nil && ok && h.killed()
}

func notALock(path string) error {
	return hint.With(
		fmt.Errorf("lock %s: %w: it is not a lock file of clipnh", path, ErrExists),
		"give another path, or remove it first",
	)
}

// held is a lock that is held.
type held struct {
	release func()
	note    string // what a person should know about it; most often nothing
	taken   string // from whom it was taken over; most often nothing
	shared  bool   // others may be at work nevertheless
}

// unlocked is a disk on which no locks are taken.
type unlocked struct{ disk }

func (unlocked) lock(string) (*held, error) { return &held{release: func() {}, shared: true}, nil }
