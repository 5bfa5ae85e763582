// Package foreign is for files that others made: it opens them, tells what was
// put in their place, and quotes them in messages.
//
// A path that a user gives may lead to anything. Open takes regular files only,
// and never waits for the other end of a pipe. Mistaken knows the files that
// people end up with instead of the one they wanted. Quote cuts and cleans a
// text, so that no message is longer or does more to a terminal than a person
// who reads it expects.
package foreign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrKind is wrapped by the errors of Open and ReadFile about a path that leads
// to something other than a regular file.
var ErrKind = errors.New("want a file")

// Open opens the regular file at path for reading. A folder, pipe, socket or
// device is ErrKind, told at once; errors of the operating system are as
// os.Open returns them.
func Open(path string) (*os.File, error) {
	// A device is not opened at all, as opening some moves a tape or resets a line.
	if info, err := os.Stat(path); err == nil {
		if err := check(path, info); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, os.O_RDONLY|withoutWaiting, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = check(path, info) // another may lie there by now
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// check returns ErrKind for what is not a regular file.
func check(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s: %s, %w", path, kind(info.Mode()), ErrKind)
}

// kind names a kind of file.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

// ReadFile reads the regular file at path, which may hold most bytes. Errors
// name it.
func ReadFile(path string, most int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := Read(file, most)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// Read reads what r has, which may be most bytes. Memory grows with what comes,
// to at most four times its length in all.
func Read(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("more than %s, the limit", size(most))
	}
	return data, nil
}

// size writes a bound in the largest unit that divides it.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
