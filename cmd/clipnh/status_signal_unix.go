//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/clipnh/clipnh/internal/par"
)

// onStatusSignal calls say at each SIGUSR1, until stop is called.
func onStatusSignal(say func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go par.Catch(func() {
		for range signals {
			say()
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
