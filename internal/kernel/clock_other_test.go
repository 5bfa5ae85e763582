//go:build !linux

package kernel

import "time"

var start = time.Now()

// threadTime is the time of day where the thread's own is not at hand.
func threadTime() time.Duration { return time.Since(start) }
