// Package cpu chooses the level of the machine's vector instructions that
// package kernel uses, and the number of processors that are worth a worker.
//
// A level is a set of instructions used by one family of kernels. The best level that
// the processor, the operating system and the build support is used, unless the
// environment variable CLIPNH_CPU names another one.
package cpu

import (
	"fmt"
	"os"
	"strings"
)

// Level is a set of vector instructions. Of the levels that one machine supports, the
// higher is the faster.
type Level int

const (
	Generic Level = iota // plain Go
	AVX2                 // 256-bit vectors with fused multiply-add and half precision (F16C)
	AVX512               // 512-bit vectors (F, BW, DQ, VL)
	NEON                 // 128-bit vectors of arm64, which every such processor has
)

var names = [...]string{Generic: "generic", AVX2: "avx2", AVX512: "avx512", NEON: "neon"}

// String returns the level's name in CLIPNH_CPU.
func (l Level) String() string { return names[l] }

// Variable is the environment variable that forces a level.
const Variable = "CLIPNH_CPU"

var active, err = choose(os.Getenv(Variable))

// Active returns the level in use.
func Active() Level { return active }

// Err returns an error if the value of CLIPNH_CPU is not valid. The best level is used
// then, but a program should stop with this error.
func Err() error { return err }

// Supported returns the levels that this machine and build support, lowest first.
func Supported() []Level {
	ls := make([]Level, 0, len(names))
	for l := Generic; l <= best(); l++ {
		if supported(l) {
			ls = append(ls, l)
		}
	}
	return ls
}

// supported reports whether this machine and build support a level: plain Go, the best,
// and what lies between them on the same architecture.
func supported(l Level) bool {
	top := best()
	return l == Generic || l == top || l > Generic && l < top && top != NEON
}

// Named returns the supported level of a name, and false where there is none.
func Named(name string) (Level, bool) {
	for _, l := range Supported() {
		if l.String() == name {
			return l, true
		}
	}
	return 0, false
}

// Force activates a level, for what was begun with it or for a test, and returns a
// function that restores the previous one. It panics if the level is not supported. No
// kernel may run concurrently, and what was packed for the kernels of one level is not
// for those of another.
func Force(l Level) (restore func()) {
	if !supported(l) {
		panic("cpu: level not supported")
	}
	was := active
	active = l
	return func() { active = was }
}

// choose returns the level with the given name, or the best one for "".
func choose(name string) (Level, error) {
	top := best()
	if name == "" {
		return top, nil
	}
	for l, n := range names {
		if n != name {
			continue
		}
		if !supported(Level(l)) {
			return top, fmt.Errorf("choose CPU level: %s=%s: %s, want one of %s", Variable, name, unsupported, list(Supported()))
		}
		return Level(l), nil
	}
	return top, fmt.Errorf("choose CPU level: %s=%q: unknown level, want one of %s", Variable, name, strings.Join(names[:], ", "))
}

// list returns the names of levels with commas between them.
func list(ls []Level) string {
	all := make([]string, len(ls))
	for i, l := range ls {
		all[i] = l.String()
	}
	return strings.Join(all, ", ")
}
