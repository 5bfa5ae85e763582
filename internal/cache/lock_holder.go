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

// A holder is the process that a lock file names, where the file itself is the lock.
//
// Whether a holder is gone can be told for certain only where its process numbers mean
// what ours do: since the same start of the same machine's system, and in the same
// container. There, no process has its number, or one that started at another time. A
// name of a machine is not enough: pods that replace each other have one name, and each
// numbers its processes from 1. Nor is a machine that does not answer: what runs there may
// still write.
type holder struct {
	process int
	machine string
	boot    string // this start of the system; empty where the system or an older build does not say
	pids    string // the space of process numbers
	started string // when the process was, as the system counts
}

// self is the holder that this process is.
func self() (holder, error) {
	machine, err := os.Hostname()
	h := holder{process: os.Getpid(), machine: machine}
	h.boot, h.pids = system()
	h.started = startOf(h.process)
	return h, err
}

func (h holder) String() string {
	text := fmt.Sprintf("%s\nprocess %d\nmachine %s\n", lockMark, h.process, h.machine)
	if h.boot != "" && h.pids != "" && h.started != "" {
		text += fmt.Sprintf("boot %s\npids %s\nstarted %s\n", h.boot, h.pids, h.started)
	}
	return text
}

// parseHolder reads the contents of a lock file. It reports false if they are not those of
// one.
func parseHolder(data []byte) (h holder, ok bool) {
	lines := strings.Split(string(data), "\n")
	if lines[0] != lockMark || len(lines) < 3 {
		return h, false
	}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "process":
			h.process, _ = strconv.Atoi(value) // 0 is no process
		case "machine":
			h.machine = value
		case "boot":
			h.boot = value
		case "pids":
			h.pids = value
		case "started":
			h.started = value
		}
	}
	return h, true
}

// gone reports whether the holder is certainly no longer running.
func (h holder) gone() bool {
	boot, pids := system()
	if h.process < 1 || h.started == "" || boot == "" || pids == "" || h.boot != boot || h.pids != pids {
		return false
	}
	if !alive(h.process) {
		return true
	}
	started := startOf(h.process)
	return started != "" && started != h.started
}

// killed reports whether the holder seems to have been killed on this machine: of what
// older builds wrote, the name of the machine is all that says so.
func (h holder) killed() bool {
	here, err := os.Hostname()
	return h.gone() || h.boot == "" && h.process > 0 && err == nil && here == h.machine && !alive(h.process)
}

// takingSuffix ends the name of the file that whoever takes over a lock holds for that
// moment, so that of two one does.
const takingSuffix = ".taking"

// takeOver removes the lock file at path if its holder is certainly gone, and returns what
// to tell about it; nothing if the holder may be at work.
func takeOver(path string) (note string, err error) {
	h, ok, err := readHolder(path)
	if err != nil || !ok || !h.gone() {
		return "", err
	}
	taking := path + takingSuffix
	f, err := os.OpenFile(taking, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return "", hint.With(ErrLocked, fmt.Sprintf("another run is taking over its lock; if none is at work, remove %s", taking))
	}
	if err != nil {
		return "", err
	}
	defer os.Remove(taking)
	if err := f.Close(); err != nil {
		return "", err
	}
	// Between our reading it and our holding the other file, another may have taken it.
	if h, ok, err = readHolder(path); err != nil || !ok || !h.gone() {
		return "", err
	}
	if err := os.Remove(path); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: process %d of this machine, which held this lock, is gone: taken over", path, h.process), nil
}

// readHolder reads the lock file at path. It reports false if the file is another, or was
// removed just now.
func readHolder(path string) (holder, bool, error) {
	data, err := foreign.ReadFile(path, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return holder{}, false, nil
	}
	if err != nil {
		return holder{}, false, err
	}
	h, ok := parseHolder(data)
	return h, ok, nil
}
