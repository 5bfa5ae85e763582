//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// signalledEnv turns the test binary into a program that waits for a signal.
const signalledEnv = "CLIPNH_TEST_SIGNALLED"

// programEnv turns the test binary into the program itself.
const programEnv = "CLIPNH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		limitFileSize()
		os.Exit(run(interruptible(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if os.Getenv(signalledEnv) == "" {
		code := m.Run()
		endFaults(os.Stdout)
		removeInputs()
		os.Exit(code)
	}
	ctx := interruptible()
	fmt.Println("ready")
	<-ctx.Done()
	time.Sleep(100 * time.Millisecond) // the handler is released on another goroutine
	fmt.Println("cancelled")
	time.Sleep(time.Minute)
}

// TestSignals sends two signals: the first cancels the context, the second ends
// the program.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), signalledEnv+"=1")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			said := bufio.NewScanner(out)
			for _, want := range []string{"ready", "cancelled"} {
				if !said.Scan() || said.Text() != want {
					t.Fatalf("the program said %q, want %q", said.Text(), want)
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) {
				t.Fatalf("the program ended with %v, want signal %v", err, sig)
			}
			if status := exit.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != sig {
				t.Errorf("the program ended with %v, want signal %v", exit, sig)
			}
		})
	}
}
