// Package digest remembers the SHA-256 of files that have not changed.
//
// Hashing a checkpoint takes longer than looking at an image with it. So what was found
// of a file is written down, and holds for as long as the file keeps its Identity: its
// size, times of change and inode. The time of the inode's last change is set by the
// system alone, at every write.
package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
)

// An Identity is what tells a file from another one at its path, and from what it was
// before it was written to.
type Identity struct {
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Changed  int64  `json:"changed,omitempty"`
	Inode    uint64 `json:"inode,omitempty"`
}

// IdentityOf returns the identity of a file.
func IdentityOf(info fs.FileInfo) Identity {
	id := Identity{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	id.Inode, id.Changed = identity(info)
	return id
}

// settleTime is how long a file must have been left alone before it is hashed: file systems
// count time in steps, and a write within the same step would not show.
var settleTime = 2 * time.Second // a variable for tests

// settled reports whether a write from now on would change the identity.
func (id Identity) settled(now time.Time) bool {
	return id.Inode != 0 && id.Changed != 0 && now.UnixNano()-max(id.Changed, id.Modified) > int64(settleTime)
}

// Exact is the identity as a text, if a write after now would change it; otherwise it is empty.
func (id Identity) Exact(now time.Time) string {
	if !id.settled(now) {
		return ""
	}
	return fmt.Sprintf("file %d %d %d %d", id.Size, id.Modified, id.Changed, id.Inode)
}

// Sums are the hashes of a checkpoint.
type Sums struct {
	File    string `json:"sha256"`         // of its files, one after the other
	Tensors string `json:"tensors_sha256"` // of the tensors, whatever the format
}

// record is what is written down of a checkpoint.
type record struct {
	Version int        `json:"version"`
	Paths   []string   `json:"paths"`
	Files   []Identity `json:"files"`
	Sums
}

const (
	recordVersion = 1
	recordSuffix  = ".json"
	maxRecord     = 1 << 20 // bytes
	maxRecords    = 256
)

// A Memory is a folder of records, one for each checkpoint. The zero value has none and
// keeps none.
type Memory struct {
	Dir   string       // need not exist; empty keeps none
	Store *cache.Store // how records are written
	Least int64        // bytes; smaller checkpoints are hashed sooner than a record is read
}

// look returns the identities of files now; it reports false where they cannot be told or
// are too small.
func (m Memory) look(paths []string) (record, bool) {
	r := record{Version: recordVersion}
	size := int64(0)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return r, false
		}
		full, err := filepath.Abs(path)
		if err != nil {
			return r, false
		}
		r.Paths, r.Files = append(r.Paths, full), append(r.Files, IdentityOf(info))
		size += info.Size()
	}
	return r, m.Dir != "" && len(paths) > 0 && size >= m.Least
}

// path is the file of a record.
func (m Memory) path(r record) string {
	sum := sha256.Sum256([]byte(strings.Join(r.Paths, "\x00")))
	return filepath.Join(m.Dir, hex.EncodeToString(sum[:16])+recordSuffix)
}

// Sums returns the hashes of the checkpoint that the files at paths are: those that are
// remembered, or those that compute returns, which it then remembers. Where nothing can
// be written down they are computed each time.
func (m Memory) Sums(paths []string, compute func() (Sums, error)) (Sums, error) {
	now, known := m.look(paths)
	if !known {
		return compute()
	}
	data, err := foreign.ReadFile(m.path(now), maxRecord)
	var was record
	if err == nil && json.Unmarshal(data, &was) == nil && was.Version == recordVersion &&
		slices.Equal(was.Paths, now.Paths) && slices.Equal(was.Files, now.Files) && isHash(was.File) && isHash(was.Tensors) {
		return was.Sums, nil
	}
	start := time.Now()
	sums, err := compute()
	if err != nil {
		return sums, err
	}
	now.Sums = sums
	after, _ := m.look(paths)
	for i, id := range now.Files {
		if !id.settled(start) || i >= len(after.Files) || after.Files[i] != id {
			return sums, nil
		}
	}
	m.write(now)
	return sums, nil
}

func isHash(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == sha256.Size
}

// write writes a record. That it cannot be written costs time and nothing else.
func (m Memory) write(r record) {
	if os.MkdirAll(m.Dir, 0o777) != nil {
		return
	}
	m.removeOld()
	m.Store.WriteFile(m.path(r), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	})
}

// Checkpoints returns where checkpoints were when they were last hashed: their first files, by
// the hash of the tensors.
func (m Memory) Checkpoints() map[string][]string {
	of := map[string][]string{}
	entries, _ := os.ReadDir(m.Dir)
	for _, e := range entries {
		var r record
		data, err := foreign.ReadFile(filepath.Join(m.Dir, e.Name()), maxRecord)
		if err == nil && json.Unmarshal(data, &r) == nil && r.Version == recordVersion && len(r.Paths) > 0 && isHash(r.Tensors) {
			of[r.Tensors] = append(of[r.Tensors], r.Paths[0])
		}
	}
	return of
}

// removeOld removes the oldest records if there are many.
func (m Memory) removeOld() {
	entries, err := os.ReadDir(m.Dir)
	if err != nil || len(entries) < maxRecords {
		return
	}
	var records []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), recordSuffix) {
			records = append(records, info)
		}
	}
	slices.SortFunc(records, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, old := range records[:max(0, len(records)-maxRecords/2)] {
		os.Remove(filepath.Join(m.Dir, old.Name()))
	}
}
