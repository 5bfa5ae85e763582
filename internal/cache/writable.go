package cache

import (
	"errors"
	"os"
)

// probe reports by making a file whether a folder can be written to.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, probePattern)
	if err != nil {
		return errors.Unwrap(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
