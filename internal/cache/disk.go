package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// blockSize is how many bytes go to or come from the disk at once.
const blockSize = 1 << 20

// disk is the part of the operating system that artefacts go through. Tests
// put one in its place that fails, or crashes, at any chosen operation.
type disk interface {
	open(path string, how openMode) (diskFile, error)
	token() string // of a temporary file's name, which nobody can foresee
	stat(path string) (fs.FileInfo, error)
	names(dir string) ([]string, error)
	mkdir(path string) error // with its parents; no error if it is there
	rename(from, to string) error
	remove(path string) error
	// syncDir makes the names made, changed or removed in dir last.
	syncDir(dir string) error
	// lock takes path as a lock file until it is released; ErrLocked if another
	// holds it.
	lock(path string) (*held, error)
	// locked reports whether somebody holds path as a lock file.
	locked(path string) (bool, error)
}

type diskFile interface {
	io.ReaderAt
	io.WriterAt
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

type openMode int

const (
	forReading  openMode = iota
	forUpdate            // reading and writing; the file must be there
	forResuming          // forUpdate of a file that is not a link
	forCreating          // reading and writing; there must be nothing at the path, not even a link
)

// osDisk is the real one.
type osDisk struct{}

func (osDisk) open(path string, how openMode) (diskFile, error) {
	flag := map[openMode]int{
		forReading:  os.O_RDONLY,
		forUpdate:   os.O_RDWR,
		forResuming: os.O_RDWR | noFollow,
		forCreating: os.O_RDWR | os.O_CREATE | os.O_EXCL,
	}[how]
	f, err := os.OpenFile(path, flag, 0o666) // the umask takes its share
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osDisk) token() string {
	var b [tokenBytes]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (osDisk) stat(path string) (fs.FileInfo, error) { return os.Stat(path) }
func (osDisk) mkdir(path string) error               { return os.MkdirAll(path, 0o777) }
func (osDisk) rename(from, to string) error          { return os.Rename(from, to) }
func (osDisk) remove(path string) error              { return os.Remove(path) }
func (osDisk) lock(path string) (*held, error)       { return lockFile(path) }
func (osDisk) locked(path string) (bool, error)      { return lockHeld(path) }

func (osDisk) names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (osDisk) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call; renames there are journalled
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		err = nil // some network file systems have no such call for folders
	}
	return errors.Join(err, f.Close())
}

// anyExists reports whether there is a file or folder at one of the paths.
func anyExists(d disk, paths ...string) (bool, error) {
	for _, path := range paths {
		if _, err := d.stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// removeIfThere removes a file that need not exist.
func removeIfThere(d disk, path string) error {
	if err := d.remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readAll reads a file of at most limit bytes.
func readAll(d disk, path string, limit int64) ([]byte, error) {
	f, err := d.open(path, forReading)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes, want at most %d", path, info.Size(), limit)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), data); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// followLink returns the path of the file that path, if it is a symbolic link,
// names, and else path itself.
func followLink(path string) (string, error) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, err
	}
	return filepath.EvalSymlinks(path)
}

// target returns the path of the file to replace when path is written: a link
// stays one. It refuses what is no regular file: renaming over /dev/null would
// replace it.
func target(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	path, err := followLink(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("write %s: not a regular file", path)
	}
	return path, nil
}
