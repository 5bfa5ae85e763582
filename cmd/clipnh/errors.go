package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/manual"
	"github.com/clipnh/clipnh/internal/ui"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitSkipped     = 3
	exitMissing     = 10
	exitStale       = 11
	exitInterrupted = 130
)

// exitMeanings is what help says about the exit codes.
var exitMeanings = []manual.Exit{
	{Status: exitDone, Meaning: "done"},
	{Status: exitFailed, Meaning: "failed"},
	{Status: exitUsage, Meaning: "wrong usage"},
	{Status: exitSkipped, Meaning: "done, but some inputs were skipped"},
	{Status: exitMissing, Meaning: "an artefact that it needs is missing"},
	{Status: exitStale, Meaning: "an artefact is stale, or of another version"},
	{Status: exitInterrupted, Meaning: "interrupted"},
}

// exitCodes maps errors to exit codes by the sentinels that they wrap. The
// first row that matches counts; no match means exitFailed.
var exitCodes = []struct {
	sentinel error
	code     int
}{
	{errUsage, exitUsage},
	{context.Canceled, exitInterrupted},
	{errSkipped, exitSkipped},
	{cache.ErrMissing, exitMissing},
	{cache.ErrStale, exitStale},
	{cache.ErrVersion, exitStale},
}

// errSkipped is wrapped by what a command returns when it has printed its result
// and named in warnings the inputs that are missing from it:
//
//	fmt.Errorf("%w %d of %d images", errSkipped, n, of)
var errSkipped = errors.New("skipped")

// errUsage is what every usageError is.
var errUsage = errors.New("wrong usage")

// usageError is a command line that cannot be carried out as it stands.
type usageError struct{ err error }

func (e usageError) Error() string        { return e.err.Error() }
func (e usageError) Unwrap() error        { return e.err }
func (e usageError) Is(target error) bool { return target == errUsage }

// hinter is implemented by errors of any package that know what to do about
// them. Each line of a hint is advice that names a command:
//
//	run "clipnh collect --model RN50.pt" first
type hinter interface{ Hint() string }

// hinted is an error with a hint.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }
func (e hinted) Hint() string  { return e.hint }

// report prints err, which cmd ended with, and returns the exit code. It is the
// only place where errors are printed, and it names the command, so that errors
// need not.
func report(p *ui.Printer, cmd *cobra.Command, err error) int {
	if cmd.HasParent() {
		err = fmt.Errorf("%s: %w", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), err)
	}
	code := exitFailed
	for _, row := range exitCodes {
		if errors.Is(err, row.sentinel) {
			code = row.code
			break
		}
	}
	switch code {
	case exitSkipped:
		p.Warn("%v", err)
	case exitInterrupted:
		p.Error(errors.New(strings.ReplaceAll(err.Error(), context.Canceled.Error(), "interrupted")))
	default:
		p.Error(err)
	}
	var h hinter
	if errors.As(err, &h) {
		p.Hint(h.Hint())
	}
	if code == exitUsage {
		p.Hint(fmt.Sprintf("run %q", cmd.CommandPath()+" --help"))
	}
	return code
}

// cobraUsageError makes a usageError of what cobra returns before a command
// runs, and says what an unknown command may have meant.
func cobraUsageError(root *cobra.Command, err error) error {
	if errors.Is(err, errUsage) {
		return err
	}
	// Cobra has no type for this error.
	var name string
	if _, e := fmt.Sscanf(err.Error(), "unknown command %q for", &name); e != nil {
		return usageError{err}
	}
	return unknownCommand(root, name)
}

// unknownCommand is the error of a name that no command below parent has.
func unknownCommand(parent *cobra.Command, name string) error {
	err := usageError{fmt.Errorf("unknown command %q", name)}
	if meant := parent.SuggestionsFor(name); len(meant) > 0 {
		return hinted{err, didYouMean(meant)}
	}
	return err
}

// didYouMean is the hint that offers one or several names.
func didYouMean(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "did you mean " + strings.Join(quoted, " or ") + "?"
}
