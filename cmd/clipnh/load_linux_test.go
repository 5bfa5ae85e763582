package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
)

// loadImages is how many images TestLoad collects.
const loadImages = 20000

// TestLoad collects many images, the example's under other names, and samples the
// memory that the process has: it does not grow with their number. It is for "make
// faults".
func TestLoad(t *testing.T) {
	if os.Getenv(faultsEnv) == "" {
		t.Skip("takes minutes: set " + faultsEnv)
	}
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	from, err := filepath.Abs(filepath.Join(assets, "imagenet", "test"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data, out := filepath.Join(dir, "pictures"), filepath.Join(dir, "scores")
	if err := os.Mkdir(data, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range loadImages {
		if err := os.Symlink(filepath.Join(from, entries[i%len(entries)].Name()), filepath.Join(data, fmt.Sprintf("%06d.jpg", i))); err != nil {
			t.Fatal(err)
		}
	}
	p := startProgram(t, nil, "collect", "--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "images", "--data-path", data, "--save-path", out, "--quiet")
	var samples []int // MB, one a second
	start := time.Now()
	for p.alive() {
		if kb := p.memory(); kb > 0 {
			samples = append(samples, kb/1000)
		}
		time.Sleep(time.Second)
	}
	if end := p.wait(t); end.code != exitDone {
		t.Fatalf("exit code %d: %s", end.code, end.said)
	}
	a, err := cache.Open(out)
	if err != nil || a.Manifest.Shape[0] != loadImages {
		t.Fatalf("%v", err)
	}
	if len(samples) < 8 {
		t.Skipf("too fast to see: %d samples", len(samples))
	}
	quarter := len(samples) / 4
	early, late := most(samples[quarter:2*quarter]), most(samples[3*quarter:])
	t.Logf("%d images in %.0f s: resident at most %d MB in the first quarter, %d in the second, %d in the third, %d in the last",
		loadImages, time.Since(start).Seconds(), most(samples[:quarter]), early, most(samples[2*quarter:3*quarter]), late)
	// The garbage collector lets the heap breathe by some megabytes.
	if late > early+early/10+16 {
		t.Errorf("the memory grows: samples %v MB", samples)
	}
}

func most(values []int) int {
	top := 0
	for _, v := range values {
		top = max(top, v)
	}
	return top
}

// memory is the resident memory of the process in kB, 0 when it has none any more.
func (p *process) memory() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb
		}
	}
	return 0
}
