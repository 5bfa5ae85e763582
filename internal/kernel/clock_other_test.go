//go:build !linux

package kernel

import "time"

var start = time.Now()

// threadTime returns wall time, since this system has no time per thread.
func threadTime() time.Duration { return time.Since(start) }
