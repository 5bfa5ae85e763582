// Package usage marks errors that the command line is to blame for.
//
// A usage error says that a value that was given cannot be had, or excludes another one,
// though every input is as it should be: an index past the last layer, more words than the
// list has, a mode that needs means where none are given. Whoever corrects the command line
// succeeds. A file that is missing, damaged, stale or malformed is no usage error, whoever
// named it.
package usage

import (
	"errors"
	"fmt"
)

// Err is what every usage error is.
var Err = errors.New("wrong usage")

// Errorf is fmt.Errorf for a usage error.
func Errorf(format string, args ...any) error { return Error(fmt.Errorf(format, args...)) }

// Error returns err as a usage error, with the same text. err is not nil.
func Error(err error) error { return marked{err} }

type marked struct{ error }

func (m marked) Unwrap() error        { return m.error }
func (m marked) Is(target error) bool { return target == Err }
