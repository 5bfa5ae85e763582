//go:build !linux

package evaluate

import "time"

var start = time.Now()

// processTime returns wall time.
func processTime() time.Duration { return time.Since(start) }
