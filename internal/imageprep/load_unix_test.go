//go:build unix

package imageprep

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipe: a pipe with the name of an image is refused at once.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.jpg")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	done := make(chan error, 2)
	go func() { _, err := Load(path); done <- err }()
	go func() { _, err := ReadLabels(path, Options{}); done <- err }()
	for range 2 {
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), path+": not a regular file") {
				t.Errorf("error %v, want one of no regular file", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("still waiting after 10 s")
		}
	}
}
