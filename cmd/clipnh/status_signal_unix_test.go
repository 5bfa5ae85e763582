//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestStatusSignal: a command that is under way says how far it is when it is asked, and goes on.
func TestStatusSignal(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	cmd := program("collect", "--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, "imagenet"),
		"--save-path", filepath.Join(t.TempDir(), "c"), "--progress", "json", "--threads", "1")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	asked, answers, lines := false, 0, 0
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		line := scanner.Text()
		switch {
		case strings.HasPrefix(line, "note: collect: ") && strings.Contains(line, " of 300 images in "):
			answers++
		case strings.HasPrefix(line, `{"progress":`):
			lines++
			if err := json.Unmarshal([]byte(line), new(any)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			if !asked { // the task has begun
				asked = true
				if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if answers != 1 || lines < 2 {
		t.Errorf("%d answers and %d lines of progress, want 1 and 2 or more", answers, lines)
	}
}
