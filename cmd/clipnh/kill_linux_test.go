package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestKilledAtRenames kills commands at every change of a name, one after the other: as
// a file gets its place, or is removed. The same command then ends as if nothing had
// happened. strace is what knows these moments; without it the test is skipped.
func TestKilledAtRenames(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace")
	}
	if out, err := exec.Command(strace, "-f", "-o", os.DevNull, "-e", "trace=unlinkat", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not be used here: %v %s", err, out)
	}
	for i, job := range faultJobs(t, 2) {
		t.Run(job.name, func(t *testing.T) {
			if job.slow {
				t.Skip("is killed at random moments only")
			}
			want := job.undisturbed(t)
			// In the short form, a few of these moments.
			step, moment := 1, 1
			if thorough(0, 1) == 0 {
				step = 5
				moment += chance(4, i).IntN(step)
			}
			for killed := true; killed; moment += step {
				if job.many && moment > 40 {
					break
				}
				dir := job.begin(t)
				p := &process{Cmd: program(append(job.args(dir), "--threads", "2", "--quiet")...)}
				p.Path = strace
				p.Args = append([]string{strace, "-f", "-o", os.DevNull, "-e", "trace=renameat,renameat2,unlinkat",
					"-e", fmt.Sprintf("inject=renameat,renameat2,unlinkat:signal=SIGKILL:when=%d", moment), os.Args[0]}, p.Args[1:]...)
				if job.env != nil {
					p.Env = append(p.Env, job.env(dir)...)
				}
				p.Stderr = &p.said
				if err := p.Start(); err != nil {
					t.Fatal(err)
				}
				err := p.Wait()
				killed = false
				if exit, ok := err.(*exec.ExitError); ok {
					status := exit.Sys().(syscall.WaitStatus)
					killed = status.Signaled() || status.ExitStatus() == 128+int(syscall.SIGKILL)
				}
				when := fmt.Sprintf("killed at change %d of a name", moment)
				if !killed {
					if err != nil {
						t.Fatalf("%s: %v: %s", when, err, p.said.String())
					}
					want.compareFiles(t, job.lasting(t, dir), "at the end")
					break
				}
				count("kills", 1)
				job.resume(t, dir, want, when)
			}
		})
	}
}
