//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the program at work.
type process struct {
	*exec.Cmd
	said bytes.Buffer
}

// ending is how a process ended.
type ending struct {
	code     int
	signaled bool
	said     string // on standard error
}

// start starts the command, writing to dir.
func (j faultJob) start(t *testing.T, dir string, threads int, env ...string) *process {
	t.Helper()
	if j.env != nil {
		env = append(env, j.env(dir)...)
	}
	p := readyProgram(env, append(j.args(dir), "--threads", fmt.Sprint(threads), "--quiet")...)
	if j.inside {
		p.Dir = dir
	}
	return p.begin(t)
}

func startProgram(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return readyProgram(env, args...).begin(t)
}

func readyProgram(env []string, args ...string) *process {
	p := &process{Cmd: program(args...)}
	p.Env = append(p.Env, env...)
	p.Stderr = &p.said
	return p
}

func (p *process) begin(t *testing.T) *process {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) wait(t *testing.T) ending {
	t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	end := ending{said: p.said.String()}
	if err != nil {
		status := exit.Sys().(syscall.WaitStatus)
		end.code, end.signaled = status.ExitStatus(), status.Signaled()
	}
	if strings.Contains(end.said, "goroutine ") {
		t.Fatalf("the program crashed: %s", end.said)
	}
	return end
}

// failed checks that a run failed and printed one line of error, hints not counted.
func (e ending) failed(t *testing.T, when string, wanted ...string) {
	t.Helper()
	if e.code != exitFailed {
		t.Fatalf("%s: exit code %d, want %d: %s", when, e.code, exitFailed, e.said)
	}
	errs := 0
	for line := range strings.Lines(e.said) {
		if strings.HasPrefix(line, "error: ") {
			errs++
		} else if !strings.HasPrefix(line, "hint: ") && !strings.HasPrefix(line, "       ") { // a second file that could not be written
			t.Errorf("%s: said %q", when, line)
		}
	}
	if errs != 1 {
		t.Errorf("%s: %d lines of error, want one: %s", when, errs, e.said)
	}
	if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(w string) bool { return strings.Contains(e.said, w) }) {
		t.Errorf("%s: said %q, want one of %q", when, e.said, wanted)
	}
}

// waitFor waits until a file is longer than a size, or the process has ended.
func (p *process) waitFor(t *testing.T, path string, size int64) bool {
	t.Helper()
	return p.waitUntil(t, func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > size
	})
}

// waitUntil waits for something that the process does, or until it has ended.
func (p *process) waitUntil(t *testing.T, done func() bool) bool {
	t.Helper()
	for range 60000 {
		if done() {
			return true
		}
		if !p.alive() {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// alive reports whether the process is at work, where the system has /proc: one that
// has ended stays until it is waited for, and its state says so.
func (p *process) alive() bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	return err != nil || !strings.Contains(string(state), ") Z ")
}
