//go:build amd64 || arm64

package pipe

import "os"

// newMemoryFile makes a file that has lost its name.
func newMemoryFile() (*os.File, error) {
	f, err := os.CreateTemp("", "clipnh-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
