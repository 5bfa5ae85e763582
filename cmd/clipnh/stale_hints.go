package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
)

// staleHint says what an artefact is that does not fit: when and by which command it was
// written, and from which of the files beside it. Hashes alone tell nobody. It is empty where
// there is no finished artefact.
func staleHint(e *cache.MismatchError) string {
	a, err := cache.Open(e.Path)
	if err != nil {
		return ""
	}
	written, err := a.Written()
	if err != nil {
		return ""
	}
	text := fmt.Sprintf("%s was written %s", e.Path, written.Format("2006-01-02 15:04"))
	if r, known := recipes[artefact.WholeKind(a.Manifest.Kind)]; known {
		name, _, _ := strings.Cut(r.command, " ")
		text += fmt.Sprintf(" by %q", "clipnh "+name)
	}
	for _, d := range e.Differences {
		role, ok := strings.CutPrefix(d.Field, "origin.parents.")
		var hash string
		if !ok || json.Unmarshal([]byte(d.Made), &hash) != nil || hash == "" {
			continue
		}
		if path := besideWithHash(e.Path, hash); path != "" {
			text += fmt.Sprintf(", from %s", path)
		} else {
			text += fmt.Sprintf(", from %s that are not beside it any more", role)
		}
	}
	return text
}

// mostBeside bounds how many files beside an artefact are looked at.
const mostBeside = 500

// besideWithHash returns the artefact in the folder of path whose manifest has a hash; empty
// if none has.
func besideWithHash(path, hash string) string {
	entries, err := os.ReadDir(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return ""
	}
	for _, entry := range entries[:min(len(entries), mostBeside)] {
		name, isManifest := strings.CutSuffix(entry.Name(), ".json")
		if !isManifest && !entry.IsDir() {
			continue
		}
		other := filepath.Join(filepath.Dir(filepath.Clean(path)), name)
		if a, err := cache.Open(other); err == nil && a.Hash() == hash {
			return other
		}
	}
	return ""
}
