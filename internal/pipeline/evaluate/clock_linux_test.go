package evaluate

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the processor time of this program. Unlike wall time, it does not
// count other programs on a busy machine.
func processTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
