package manual

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
)

// ErrOutdated is wrapped by the error of Check when a folder does not hold the pages
// that it should.
var ErrOutdated = errors.New("pages are out of date")

// Write writes pages into dir, which it creates if needed. Each page appears whole or
// not at all.
func Write(store *cache.Store, dir string, pages []File) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, p := range pages {
		err := store.WriteFile(filepath.Join(dir, p.Name), func(w io.Writer) error {
			_, err := io.WriteString(w, p.Text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxPage is the size of the largest file that is compared with a page, in bytes.
const maxPage = 1 << 20

// Check compares the files in dir with pages. The error names every page that is
// missing or has another text, and every file that is not among pages; it wraps
// ErrOutdated.
func Check(dir string, pages []File) error {
	var wrong []string
	expected := map[string]bool{}
	for _, p := range pages {
		expected[p.Name] = true
		text, err := foreign.ReadFile(filepath.Join(dir, p.Name), maxPage)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			wrong = append(wrong, p.Name+" is missing")
		case err != nil:
			return err
		case string(text) != p.Text:
			wrong = append(wrong, p.Name+" differs")
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !expected[e.Name()] {
			wrong = append(wrong, e.Name()+" belongs to no command")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", dir, ErrOutdated, strings.Join(wrong, ", "))
}
