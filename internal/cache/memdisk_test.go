package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"
)

var (
	errFault = errors.New("injected fault")
	errCrash = errors.New("the machine is down")
)

// memDisk is a disk in memory that fails at a chosen operation and loses, at a crash,
// what was not synced: each sector of a file can be old or new, and so can its length
// and each name in a folder, independently except for the two names of a rename. Real
// file systems promise more than that.
type memDisk struct {
	rng          *rand.Rand
	now, durable map[string]*memInode // by path; folders are nil inodes
	renamed      map[string]string    // to the old name, until the folder is synced
	locks        map[string]bool

	ops     int  // changes so far
	failAt  int  // the change that fails; 0 for none
	crashes bool // all changes after it fail too
	down    bool
	tokens  int

	watch func() // called before every change: what a reader sees then
}

type memInode struct{ data, synced []byte }

func newMemDisk(seed uint64) *memDisk {
	m := &memDisk{
		rng:     rand.New(rand.NewPCG(seed, 1)),
		now:     map[string]*memInode{"/": nil},
		durable: map[string]*memInode{"/": nil},
		renamed: map[string]string{},
		locks:   map[string]bool{},
	}
	return m
}

// step counts a change and reports whether it fails.
func (m *memDisk) step() error {
	if m.down {
		return errCrash
	}
	if watch := m.watch; watch != nil {
		m.watch = nil
		watch()
		m.watch = watch
	}
	m.ops++
	if m.ops == m.failAt {
		m.down = m.crashes
		return errFault
	}
	return nil
}

// reboot loses what a crash can lose and makes the disk usable again.
func (m *memDisk) reboot() {
	after := map[string]*memInode{}
	for path := range maps.Keys(m.now) {
		after[path] = nil
	}
	for path := range maps.Keys(m.durable) {
		after[path] = nil
	}
	// In a fixed order, so that a seed always gives the same test case.
	paths := slices.Sorted(maps.Keys(after))
	source := map[string]map[string]*memInode{}
	for _, path := range paths {
		source[path] = m.now
		if m.rng.IntN(2) == 0 {
			source[path] = m.durable
		}
	}
	for to, from := range m.renamed {
		source[from] = source[to]
	}
	for _, path := range paths {
		inode, there := source[path][path]
		if !there {
			delete(after, path)
			continue
		}
		after[path] = inode
	}
	torn := map[*memInode]bool{nil: true}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if inode := after[path]; !torn[inode] {
			torn[inode] = true
			inode.tear(m.rng)
		}
	}
	m.now, m.durable = after, maps.Clone(after)
	m.renamed, m.locks = map[string]string{}, map[string]bool{}
	m.ops, m.failAt, m.down = 0, 0, false
}

func (n *memInode) tear(rng *rand.Rand) {
	const sector = 8
	size := min(len(n.data), len(n.synced))
	if more := max(len(n.data), len(n.synced)) - size; more > 0 {
		size += rng.IntN(more + 1)
	}
	torn := make([]byte, size)
	for lo := 0; lo < size; lo += sector {
		from := n.data
		if rng.IntN(2) == 0 {
			from = n.synced
		}
		if lo < len(from) {
			copy(torn[lo:min(lo+sector, size)], from[lo:])
		}
	}
	n.data, n.synced = torn, bytes.Clone(torn)
}

// snapshot returns the contents of all files.
func (m *memDisk) snapshot() map[string]string {
	files := map[string]string{}
	for path, inode := range m.now {
		if inode != nil {
			files[path] = string(inode.data)
		}
	}
	return files
}

func notThere(op, path string) error { return &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist} }

func (m *memDisk) open(path string, how openMode) (diskFile, error) {
	if m.down {
		return nil, errCrash
	}
	inode, there := m.now[path]
	if there && inode == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("is a folder")}
	}
	if how != forCreating {
		if !there {
			return nil, notThere("open", path)
		}
		return &memFile{m, path, inode}, nil
	}
	if parent, there := m.now[filepath.Dir(path)]; !there || parent != nil {
		return nil, notThere("open", path)
	}
	if there {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrExist}
	}
	if err := m.step(); err != nil {
		return nil, err
	}
	inode = &memInode{}
	m.now[path] = inode
	return &memFile{m, path, inode}, nil
}

func (m *memDisk) token() string {
	m.tokens++
	return fmt.Sprintf("%0*x", 2*tokenBytes, m.tokens)
}

func (m *memDisk) stat(path string) (fs.FileInfo, error) {
	inode, there := m.now[path]
	if m.down {
		return nil, errCrash
	}
	if !there {
		return nil, notThere("stat", path)
	}
	return memInfo{path, inode}, nil
}

func (m *memDisk) names(dir string) ([]string, error) {
	if m.down {
		return nil, errCrash
	}
	var names []string
	for path := range m.now {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m *memDisk) mkdir(path string) error {
	if _, there := m.now[path]; there {
		return nil
	}
	if err := m.step(); err != nil {
		return err
	}
	m.now[path] = nil
	return nil
}

func (m *memDisk) rename(from, to string) error {
	if err := m.step(); err != nil {
		return err
	}
	inode, there := m.now[from]
	if !there {
		return notThere("rename", from)
	}
	delete(m.now, from)
	m.now[to] = inode
	m.renamed[to] = from
	return nil
}

func (m *memDisk) remove(path string) error {
	if err := m.step(); err != nil {
		return err
	}
	if _, there := m.now[path]; !there {
		return notThere("remove", path)
	}
	delete(m.now, path)
	return nil
}

func (m *memDisk) syncDir(dir string) error {
	if err := m.step(); err != nil {
		return err
	}
	for path := range m.durable {
		if filepath.Dir(path) == dir {
			delete(m.durable, path)
		}
	}
	for path, inode := range m.now {
		if filepath.Dir(path) == dir {
			m.durable[path] = inode
		}
	}
	for to := range m.renamed {
		if filepath.Dir(to) == dir {
			delete(m.renamed, to)
		}
	}
	return nil
}

func (m *memDisk) lock(path string) (*held, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	if m.locks[path] {
		return nil, ErrLocked
	}
	m.locks[path] = true
	m.now[path] = &memInode{}
	return &held{release: func() {
		if !m.down {
			delete(m.now, path)
			delete(m.durable, path)
			delete(m.locks, path)
		}
	}}, nil
}

func (m *memDisk) locked(path string) (bool, error) { return m.locks[path], nil }

type memInfo struct {
	path  string
	inode *memInode
}

func (i memInfo) Name() string       { return filepath.Base(i.path) }
func (i memInfo) IsDir() bool        { return i.inode == nil }
func (i memInfo) Mode() fs.FileMode  { return 0 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Size() int64 {
	if i.inode == nil {
		return 0
	}
	return int64(len(i.inode.data))
}

type memFile struct {
	disk  *memDisk
	path  string
	inode *memInode
}

func (f *memFile) ReadAt(b []byte, offset int64) (int, error) {
	if f.disk.down {
		return 0, errCrash
	}
	return bytes.NewReader(f.inode.data).ReadAt(b, offset)
}

// WriteAt writes a part of b when it fails.
func (f *memFile) WriteAt(b []byte, offset int64) (int, error) {
	if f.disk.down {
		return 0, errCrash
	}
	err := f.disk.step()
	if err != nil && len(b) > 0 {
		b = b[:f.disk.rng.IntN(len(b))]
	}
	if end := int(offset) + len(b); end > len(f.inode.data) {
		f.inode.data = append(f.inode.data, make([]byte, end-len(f.inode.data))...)
	}
	return copy(f.inode.data[offset:], b), err
}

func (f *memFile) Truncate(size int64) error {
	if err := f.disk.step(); err != nil {
		return err
	}
	if more := int(size) - len(f.inode.data); more > 0 {
		f.inode.data = append(f.inode.data, make([]byte, more)...)
	}
	f.inode.data = f.inode.data[:size:size]
	return nil
}

func (f *memFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.inode.synced = bytes.Clone(f.inode.data)
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	if f.disk.down {
		return nil, errCrash
	}
	return memInfo{f.path, f.inode}, nil
}

func (f *memFile) Close() error { return nil }
