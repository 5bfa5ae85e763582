//go:build unix

package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestKilled kills commands at random moments, by a signal that the program can
// catch or by one that it cannot, and gives the same command again until it is
// done: the bytes are those of an undisturbed run, each time with another number
// of threads.
func TestKilled(t *testing.T) {
	for i, job := range faultJobs(t, 0) {
		t.Run(job.name, func(t *testing.T) {
			random := chance(1, i)
			want := job.undisturbed(t)
			for kills := 0; kills < job.times(thorough(1, 24)); {
				dir := job.begin(t)
				for attempt := 0; ; attempt++ {
					if attempt == 40 {
						t.Fatal("40 runs did not finish what one does")
					}
					p := job.start(t, dir, 1+random.IntN(4))
					if attempt < 4 {
						signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM}[random.IntN(4)]
						time.AfterFunc(time.Duration(random.Float64()*float64(want.took)), func() { p.Process.Signal(signal) })
					}
					end := p.wait(t)
					if end.code == exitDone {
						break
					}
					// Killed, or interrupted and said so.
					if !end.signaled && end.code != exitInterrupted {
						t.Fatalf("exit code %d: %s", end.code, end.said)
					}
					kills++
					count("kills", 1)
					count("resumes", 1)
					want.noneIsPartial(t, dir)
				}
				want.compareFiles(t, job.lasting(t, dir), fmt.Sprintf("after %d kills", kills))
			}
		})
	}
}
