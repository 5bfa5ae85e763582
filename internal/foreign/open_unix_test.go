//go:build unix

package foreign

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestNoWaiting holds that nothing but a file is opened, and nothing waited for.
func TestNoWaiting(t *testing.T) {
	dir, err := os.MkdirTemp("", "foreign") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	pipe, socket, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for path, want := range map[string]string{
		pipe: "a pipe", link: "a pipe", socket: "a socket", dir: "a folder", os.DevNull: "a device",
	} {
		done := make(chan error, 1)
		go func() {
			_, err := ReadFile(path, 1<<20)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || err.Error() != path+": "+want+", want a file" || !errors.Is(err, ErrKind) {
				t.Errorf("%s: %v, want %s", path, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: waited for", path)
		}
	}
}

// TestRaced opens a pipe as if a file had been there a moment before.
func TestRaced(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		file, err := os.OpenFile(pipe, os.O_RDONLY|withoutWaiting, 0)
		if err == nil {
			file.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waited for a writer")
	}
}
