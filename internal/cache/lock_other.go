//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/clipnh/clipnh/internal/hint"
)

// lockFile locks path by creating it. A killed process leaves the file behind,
// and the user has to remove it.
func lockFile(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, hint.With(ErrLocked, fmt.Sprintf("if no other run is at work, remove %s", path))
	}
	if err != nil {
		return nil, err
	}
	return func() {
		f.Close()
		os.Remove(path)
	}, nil
}
