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

	"github.com/clipnh/clipnh/internal/foreign"
)

// blockSize is the number of bytes read or written at once.
const blockSize = 1 << 20

// disk has the operations on files that this package uses. Tests replace it by
// one that fails, or crashes, at a chosen operation.
type disk interface {
	open(path string, how openMode) (diskFile, error)
	token() string // of a temporary file's name, which nobody can foresee
	stat(path string) (fs.FileInfo, error)
	names(dir string) ([]string, error)
	mkdir(path string) error // with its parents; no error if it exists
	rename(from, to string) error
	remove(path string) error
	// syncDir makes created, renamed and removed names in dir survive a crash.
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

// osDisk is the disk of the operating system.
type osDisk struct{}

func (osDisk) open(path string, how openMode) (diskFile, error) {
	if how == forReading {
		// Any path may be a user's, and a pipe there would be waited for.
		f, err := foreign.Open(path)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	flag := map[openMode]int{
		forUpdate:   os.O_RDWR,
		forResuming: os.O_RDWR | noFollow,
		forCreating: os.O_RDWR | os.O_CREATE | os.O_EXCL,
	}[how]
	f, err := os.OpenFile(path, flag, 0o666) // before the umask
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
		return nil // has no such call, but journals renames
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

// anyExists reports whether one of the paths exists.
func anyExists(d disk, paths ...string) (bool, error) {
	for _, path := range paths {
		if _, err := d.stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// removeIfThere removes a file if it exists.
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

// followLink returns the file that path links to, or path itself if it is not a
// symbolic link.
func followLink(path string) (string, error) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, err
	}
	return filepath.EvalSymlinks(path)
}

// target returns the file to replace when path is written: if path is a symbolic
// link, the file that it points to, so that the link stays. It refuses anything
// but regular files: renaming over /dev/null would replace it.
func target(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	link := path
	path, err := followLink(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", inTheWay(link, "it is a link to nothing")
	}
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
