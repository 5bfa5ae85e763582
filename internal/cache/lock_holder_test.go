//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// goneHolder is a process of this machine that has ended.
func goneHolder(t *testing.T) holder {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says which start of the system this is")
	}
	h, err := self()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	h.process, h.started = cmd.Process.Pid, "1"
	return h
}

// TestHolderIsGone takes nobody for gone whose process numbers may not be ours.
func TestHolderIsGone(t *testing.T) {
	gone := goneHolder(t)
	own, err := self()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*holder)
		want   bool
	}{
		"ended":                         {func(*holder) {}, true},
		"its number is another's":       {func(h *holder) { h.process = os.Getpid() }, true},
		"running":                       {func(h *holder) { *h = own }, false},
		"before another start":          {func(h *holder) { h.boot = "11111111-2222-3333-4444-555555555555" }, false},
		"in another container":          {func(h *holder) { h.pids = "pid:[1]" }, false},
		"of an older build":             {func(h *holder) { h.boot, h.pids, h.started = "", "", "" }, false},
		"on a machine of another name":  {func(h *holder) { h.machine = "elsewhere" }, true}, // which was renamed
		"without a number of a process": {func(h *holder) { h.process = 0 }, false},
	} {
		h := gone
		tt.change(&h)
		read, ok := parseHolder([]byte(h.String()))
		if !ok || read != h {
			t.Errorf("%s: read as %+v, %v, want %+v", name, read, ok, h)
		}
		if read.gone() != tt.want {
			t.Errorf("%s: gone is %v, want %v", name, read.gone(), tt.want)
		}
		path := filepath.Join(t.TempDir(), "a.lock")
		if err := os.WriteFile(path, []byte(h.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		held, err := lockFile(path)
		switch {
		case !tt.want && !errors.Is(err, ErrLocked):
			t.Errorf("%s: error %v, want %v", name, err, ErrLocked)
		case tt.want && (err != nil || !strings.Contains(held.taken, "taken over")):
			t.Errorf("%s: %v, want the lock", name, err)
		}
		if held != nil {
			held.release()
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
				t.Errorf("%s: %v is left (%v)", name, left, err)
			}
		}
	}
}

// TestTakeOverOnce has many find the lock of one that is gone: one of them has it then.
func TestTakeOverOnce(t *testing.T) {
	gone := goneHolder(t)
	for range 40 {
		path := filepath.Join(t.TempDir(), "a.lock")
		if err := os.WriteFile(path, []byte(gone.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		holders := 0
		for range 8 {
			all.Go(func() {
				_, err := (noFlockDisk{}).lock(path)
				if err != nil && !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					holders++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		// Those who came while it was being taken over were told to wait, perhaps all but one.
		if holders != 1 {
			t.Fatalf("%d hold the lock, want one", holders)
		}
	}
}

// TestTakeOverIsTold tells of a lock that was taken over, whatever was told before.
func TestTakeOverIsTold(t *testing.T) {
	gone := goneHolder(t)
	path := filepath.Join(t.TempDir(), "a")
	var said []string
	s := &Store{Note: func(text string) { said = append(said, text) }}
	for range 2 {
		if err := os.WriteFile(path+lockSuffix, []byte(gone.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(noting{osDisk{}, s}, path, nil, text("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) != 2 || !strings.Contains(said[0], "taken over") {
		t.Errorf("said %q, want twice that it was taken over", said)
	}
}
