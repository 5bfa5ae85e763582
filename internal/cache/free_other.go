//go:build !(darwin || freebsd || linux || windows)

package cache

import "errors"

func freeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }
