//go:build unix && !linux

package main

import "errors"

func mountTmpfs(string, int, bool) error { return errors.ErrUnsupported }
func unmount(string) error               { return errors.ErrUnsupported }
