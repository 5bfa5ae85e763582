//go:build !amd64 || noasm

package cpu

// unsupported is why a known level cannot be used.
const unsupported = "not in this build"

// best is plain Go: this build holds no assembly.
func best() Level { return Generic }
