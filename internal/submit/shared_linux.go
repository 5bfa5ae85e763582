package submit

import "golang.org/x/sys/unix"

// local names file systems that other machines do not see, but for those that this one
// exports.
var local = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.RAMFS_MAGIC: "ramfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.F2FS_SUPER_MAGIC: "f2fs",
}

// LocalDisk returns the kind of the file system that a folder is on, if other machines
// cannot see it unless this one exports it; empty if they may.
func LocalDisk(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", err
	}
	return local[int64(s.Type)], nil
}
