//go:build !((linux || darwin) && (amd64 || arm64))

package pipe

import (
	"errors"
	"os"
)

// MemoryFile is the file that a helper gives Serve: there is none here.
func MemoryFile() *os.File { return nil }

func newMemoryFile() (*os.File, error) { return nil, errors.ErrUnsupported }

func mapShared(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapShared([]byte) error { return nil }

func grow(*os.File, int64) error { return errors.ErrUnsupported }
