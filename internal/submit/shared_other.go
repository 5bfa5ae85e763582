//go:build !linux

package submit

// LocalDisk cannot tell here, and says that other machines may see a folder.
func LocalDisk(string) (string, error) { return "", nil }
