package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a file system in memory on dir, or gives the one that is there
// another size.
func mountTmpfs(dir string, bytes int, again bool) error {
	flags := uintptr(0)
	if again {
		flags = unix.MS_REMOUNT
	}
	return unix.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%d", bytes))
}

func unmount(dir string) error { return unix.Unmount(dir, 0) }
