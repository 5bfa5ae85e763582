package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
)

// A lock file is empty and held by flock, which ends with the process however it
// dies. Where the file system has no flock, the lock is the file itself: it says
// which process made it, on which machine, and stays when that is killed.

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
	host, err := os.Hostname()
	if err == nil {
		_, err = fmt.Fprintf(made, "%s\nprocess %d\nmachine %s\n", lockMark, os.Getpid(), host)
	}
	if err == nil {
		err = made.Sync()
	}
	if err = errors.Join(err, made.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &held{
		release: func() { os.Remove(path) },
		note:    fmt.Sprintf("%s: no flock on this file system: a killed run leaves its lock file behind, to be removed by hand", path),
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
	if err != nil {
		return err
	}
	if len(data) == 0 { // being made, or left by an older build where there is no flock
		return hint.With(ErrLocked, fmt.Sprintf("if no other run is at work, remove %s", path))
	}
	lines := strings.Split(string(data), "\n")
	if lines[0] != lockMark || len(lines) < 3 {
		return notALock(path)
	}
	process := strings.TrimPrefix(lines[1], "process ")
	machine := strings.TrimPrefix(lines[2], "machine ")
	err = fmt.Errorf("%w: process %.20q on %.60q", ErrLocked, process, machine)
	pid, e := strconv.Atoi(process)
	if here, e2 := os.Hostname(); e == nil && e2 == nil && here == machine && !alive(pid) {
		return hint.With(fmt.Errorf("%w, which is no longer running", err), fmt.Sprintf("it was killed: remove %s", path))
	}
	return hint.With(err, fmt.Sprintf("wait until it is done; if it is no longer running there, remove %s", path))
}

// lockOfDead reports whether the lock file at path says that it was made by a process
// of this machine which is no longer running.
func lockOfDead(path string) bool {
	data, err := foreign.ReadFile(path, 4096)
	lines := strings.Split(string(data), "\n")
	if err != nil || lines[0] != lockMark || len(lines) < 3 {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(lines[1], "process "))
	host, e := os.Hostname()
	return err == nil && e == nil && lines[2] == "machine "+host && !alive(pid)
}

func notALock(path string) error {
	return hint.With(
		fmt.Errorf("lock %s: %w: it is not a lock file of ours", path, ErrExists),
		"give another path, or remove it first",
	)
}

// held is a lock that is held.
type held struct {
	release func()
	note    string // what a person should know about it; most often nothing
	shared  bool   // others may be at work nevertheless
}

// unlocked is a disk on which no locks are taken.
type unlocked struct{ disk }

func (unlocked) lock(string) (*held, error) { return &held{release: func() {}, shared: true}, nil }
