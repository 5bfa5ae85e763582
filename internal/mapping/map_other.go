//go:build !((linux || darwin) && (amd64 || arm64))

package mapping

import (
	"errors"
	"os"
)

const supported = false

func mapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return nil }
