package artefact

import (
	"path/filepath"

	"github.com/clipnh/clipnh/internal/usage"
)

// Apart returns an error if two outputs of a command would be one file, or one the manifest of
// another. Empty paths are fine. Commands ask before any work.
func Apart(paths ...string) error {
	for i, path := range paths {
		for j, other := range paths {
			switch {
			case i == j || path == "" || other == "":
			case filepath.Clean(path) == filepath.Clean(other):
				return usage.Errorf("%s: two outputs would be this file, want a file for each", path)
			case filepath.Clean(path) == filepath.Clean(other)+".json":
				return usage.Errorf("%s: the manifest of %s would be this file, want another path", path, other)
			}
		}
	}
	return nil
}
