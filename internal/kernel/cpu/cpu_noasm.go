//go:build !(amd64 || arm64) || noasm

package cpu

// unsupported says why a known level cannot be used.
const unsupported = "not in this build"

// best returns plain Go: this build has no assembly.
func best() Level { return Generic }
