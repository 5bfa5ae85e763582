// Package asset keeps published files (weights, vocabulary, word list) in a folder of
// the user's, and finds them by name.
//
// A Store is that folder with the table of the files that it can hold. The table is
// the program's own (package configs) and, where there is one, assets.json in the
// store's home, for files of one's own:
//
//	HOME/assets.json                  the user's table, optional
//	HOME/assets/CACHEDIR.TAG          so that backups leave the folder out
//	HOME/assets/RN50x16.pt            a file, whole and with its checksum
//	HOME/assets/RN50x16.pt.checked    that its checksum was right, with size, times and inode
//	HOME/assets/RN50x16.pt.partial    what has arrived of it
//
// A file is used only after its SHA-256 has been found right. As that takes a second
// for a gigabyte, what was found is written down, and holds for as long as the file
// keeps its size, times of change and inode.
package asset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/digest"
	"github.com/clipnh/clipnh/internal/download"
	"github.com/clipnh/clipnh/internal/foreign"
)

// The environment variables.
const (
	HomeVariable   = "CLIPNH_HOME"   // the store's home
	MirrorVariable = "CLIPNH_MIRROR" // URL of a folder that holds the files
)

// Home returns the folder that holds the user's store: $CLIPNH_HOME, else clipnh below
// $XDG_CACHE_HOME or ~/.cache, or where the operating system keeps caches.
func Home() (string, error) {
	if home := os.Getenv(HomeVariable); home != "" {
		return filepath.Abs(home)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", hinted{fmt.Errorf("where fetched files are kept: %w", err), "set " + HomeVariable + " to a folder"}
	}
	return filepath.Join(dir, "clipnh"), nil
}

// A Store is a folder of assets and the table of those that it can hold.
type Store struct {
	Dir   string // HOME/assets; need not exist
	Files *cache.Store
	table []configs.Asset
}

// Open returns the store below home, which need not exist.
func Open(home string) (*Store, error) {
	s := &Store{Dir: filepath.Join(home, "assets"), table: configs.Assets()}
	path := filepath.Join(home, "assets.json")
	data, err := foreign.ReadFile(path, configs.MaxAssetsTable)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := configs.ParseAssets(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, a := range own {
		for _, known := range configs.Assets() {
			if strings.EqualFold(a.Name, known.Name) || strings.EqualFold(a.File, known.File) {
				return nil, fmt.Errorf("%s: %s (%s): the program's own table has %s (%s)", path, a.Name, a.File, known.Name, known.File)
			}
		}
	}
	s.table = append(s.table, own...)
	return s, nil
}

// Assets returns the table: the program's, then the user's.
func (s *Store) Assets() []configs.Asset { return append([]configs.Asset{}, s.table...) }

// Find returns the asset of that name. Capitals count.
func (s *Store) Find(name string) (configs.Asset, bool) {
	for _, a := range s.table {
		if a.Name == name {
			return a, true
		}
	}
	return configs.Asset{}, false
}

// Path is where an asset lies, or would.
func (s *Store) Path(a configs.Asset) string { return filepath.Join(s.Dir, a.File) }

// A State says how much of an asset there is.
type State string

const (
	Absent  State = "absent"
	Partial State = "partial" // a part has arrived
	Damaged State = "damaged" // it is there, of another size than published
	Present State = "present" // it is there; whether it is whole shows when it is used
)

// State returns how much of an asset there is, and its bytes on disk.
func (s *Store) State(a configs.Asset) (State, int64) {
	if info, err := os.Stat(s.Path(a)); err == nil {
		if a.Size != 0 && info.Size() != a.Size {
			return Damaged, info.Size()
		}
		return Present, info.Size()
	}
	if info, err := os.Stat(s.Path(a) + ".partial"); err == nil {
		return Partial, info.Size()
	}
	return Absent, 0
}

// Locate returns the path of an asset that is there, after its checksum has been
// found right. One that is not there is cache.ErrMissing, one that is not as
// published cache.ErrDamaged; both say what to run.
func (s *Store) Locate(ctx context.Context, a configs.Asset) (string, error) {
	path := s.Path(a)
	fetch := fmt.Sprintf("run %q", "clipnh fetch "+a.Name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", hinted{fmt.Errorf("%w: there is no %s", cache.ErrMissing, path), fetch}
	}
	if err != nil {
		return "", err
	}
	now := newCheck(a.SHA256, info)
	if readCheck(path) == now {
		return path, nil
	}
	sum, _, err := download.Sum(ctx, path)
	if err != nil {
		return "", err
	}
	if sum != a.SHA256 {
		return "", hinted{fmt.Errorf("%s: %w: SHA-256 %s, want %s", path, cache.ErrDamaged, sum, a.SHA256), fetch}
	}
	now.write(s.Files, path) // a folder that cannot be written is summed up each time
	return path, nil
}

// Resolve returns the file that value means where one of a kind is wanted: a path
// that exists means itself, and else the name of an asset means what Locate returns.
// Anything else is returned as it is, and known is false.
func (s *Store) Resolve(ctx context.Context, kind, value string) (path string, known bool, err error) {
	if _, err := os.Lstat(value); err == nil {
		return value, true, nil
	}
	a, known := s.Find(value)
	switch {
	case !known:
		return value, false, nil
	case a.Kind != kind:
		return "", true, fmt.Errorf("%s is of kind %s, want %s", a.Name, a.Kind, kind)
	}
	path, err = s.Locate(ctx, a)
	return path, true, err
}

// check is what PATH.checked holds: of what file the checksum was found right.
type check struct {
	SHA256 string `json:"sha256"`
	digest.Identity
}

func newCheck(sum string, info fs.FileInfo) check { return check{sum, digest.IdentityOf(info)} }

const (
	checkedSuffix = ".checked"
	maxCheck      = 4 << 10 // bytes
)

// readCheck returns what was found of the file at path; nothing if there is no
// telling.
func readCheck(path string) check {
	data, err := foreign.ReadFile(path+checkedSuffix, maxCheck)
	var c check
	if err != nil || json.Unmarshal(data, &c) != nil {
		return check{}
	}
	return c
}

func (c check) write(store *cache.Store, path string) error {
	return store.WriteFile(path+checkedSuffix, func(w io.Writer) error {
		return json.NewEncoder(w).Encode(c)
	})
}

// A Fetched says what Fetch did.
type Fetched struct {
	Path string
	download.Result
}

// Fetch sees to it that an asset is in the store, from a URL such as URL gives.
func (s *Store) Fetch(ctx context.Context, c *download.Client, a configs.Asset, url string, say download.Reporter) (Fetched, error) {
	f := Fetched{Path: s.Path(a)}
	if err := s.create(); err != nil {
		return f, err
	}
	var err error
	f.Result, err = c.Get(ctx, download.File{Label: a.Name, URL: url, Path: f.Path, Size: a.Size, SHA256: a.SHA256}, say)
	if err != nil {
		return f, err
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return f, err
	}
	newCheck(a.SHA256, info).write(s.Files, f.Path) // as in Locate
	return f, nil
}

// URL is where an asset is fetched from: from, or else $CLIPNH_MIRROR, or else where
// it is published. What ends in a slash, and a mirror always, is a folder that holds
// the file under its name.
func (s *Store) URL(a configs.Asset, from string) string {
	mirror := os.Getenv(MirrorVariable)
	switch {
	case from == "" && mirror != "":
		from = strings.TrimSuffix(mirror, "/") + "/"
	case from == "":
		return a.URL
	}
	if strings.HasSuffix(from, "/") {
		from += a.File
	}
	return from
}

// cacheTag is the beginning of CACHEDIR.TAG by which backup programs know it
// (bford.info/cachedir).
const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n" +
	"# Files that clipnh fetched; \"clipnh fetch NAME\" brings them again.\n"

// create makes the store's folder.
func (s *Store) create() error {
	if err := os.MkdirAll(s.Dir, 0o777); err != nil {
		return err
	}
	tag := filepath.Join(s.Dir, "CACHEDIR.TAG")
	if _, err := os.Stat(tag); err != nil {
		// A courtesy to backup programs: that the folder cannot be written shows
		// soon enough where something is fetched.
		s.Files.WriteFile(tag, func(w io.Writer) error {
			_, err := io.WriteString(w, cacheTag)
			return err
		})
	}
	return nil
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }
