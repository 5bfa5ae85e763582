package packed

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/foreign"
)

// Kept is a file of a store.
type Kept struct {
	Path    string    `json:"path"`
	Bytes   int64     `json:"bytes"`
	Used    time.Time `json:"used"`    // last, to the minute
	Weights string    `json:"weights"` // what they were made from; empty of a file that cannot be read
	Kernel  string    `json:"kernel"`
	Partial bool      `json:"partial"` // it is being written, or was left by a killed run
}

// Files lists what a store holds, the least recently used first. A folder that is not there
// holds nothing.
func (s *Store) Files() ([]Kept, error) {
	list := []Kept{}
	entries, err := s.entries()
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	for _, info := range entries {
		k := Kept{Path: filepath.Join(s.Dir, info.Name()), Bytes: info.Size(), Used: info.ModTime().UTC().Truncate(time.Minute), Partial: isPartial(info)}
		k.Weights, k.Kernel = about(k.Path)
		list = append(list, k)
	}
	return list, err
}

// about reads what the beginning of a file says.
func about(path string) (weights, kernel string) {
	const most = 1 << 10 // bytes of these lines
	f, err := foreign.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	lines := bufio.NewReader(io.LimitReader(f, most))
	line := func(prefix string) string {
		text, err := lines.ReadString('\n')
		rest, ok := strings.CutPrefix(text, prefix)
		if err != nil || !ok {
			return ""
		}
		return strings.TrimSuffix(rest, "\n")
	}
	if first, err := lines.ReadString('\n'); err != nil || first != firstLine {
		return "", ""
	}
	return line("weights "), line("kernel ")
}

// Clear removes all files but those that are being written, and returns what it removed.
// Processes that use them keep them until they end.
func (s *Store) Clear() ([]Kept, error) {
	files, err := s.Files()
	removed := []Kept{}
	for _, k := range files {
		if k.Partial && time.Since(k.Used) <= abandoned {
			continue
		}
		switch gone := os.Remove(k.Path); {
		case gone == nil:
			removed = append(removed, k)
		case !errors.Is(gone, fs.ErrNotExist):
			err = errors.Join(err, gone)
		}
	}
	return removed, err
}
