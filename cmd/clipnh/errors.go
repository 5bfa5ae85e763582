package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/manual"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitSkipped     = 3
	exitShift       = 4
	exitMissing     = 10
	exitStale       = 11
	exitInternal    = 70
	exitInterrupted = 130
)

// exitMeanings is what the help says about exit codes.
var exitMeanings = []manual.Exit{
	{Status: exitDone, Meaning: "done"},
	{Status: exitFailed, Meaning: "failed"},
	{Status: exitUsage, Meaning: "wrong usage"},
	{Status: exitSkipped, Meaning: "done, but some inputs were skipped"},
	{Status: exitShift, Meaning: "done, and something changed by more than --fail-above"},
	{Status: exitMissing, Meaning: "an artefact that it needs is missing"},
	{Status: exitStale, Meaning: "an artefact is stale, or of another version"},
	{Status: exitInternal, Meaning: "internal error, a fault of the program"},
	{Status: exitInterrupted, Meaning: "interrupted"},
}

// kinds maps errors to exit codes, and to the kind that --json names, by the sentinels
// that they wrap. The first row that matches counts; no match is a kindFailed, with
// exitFailed.
var kinds = []struct {
	sentinel error
	code     int
	kind     string
}{
	{usage.Err, exitUsage, "usage"},
	{unit.ErrUnknown, exitUsage, "usage"},
	{context.Canceled, exitInterrupted, "interrupted"},
	{errSkipped, exitSkipped, "skipped"},
	{errShift, exitShift, "shift"},
	{cache.ErrMissing, exitMissing, "missing"},
	{cache.ErrStale, exitStale, "stale"},
	{cache.ErrVersion, exitStale, "version"},
	{cache.ErrDamaged, exitFailed, "damaged"},
	{cache.ErrLocked, exitFailed, "locked"},
	{cache.ErrExists, exitFailed, "exists"},
	{fs.ErrNotExist, exitFailed, "not_found"},
	{remote.ErrMissing, exitFailed, "not_found"},
}

// The kinds that no sentinel stands for.
const (
	kindFailed   = "failed"
	kindInternal = "internal"
)

// errSkipped is wrapped by what a command returns after it has printed its result, and
// warnings that name the inputs missing from it:
//
//	fmt.Errorf("%w %d of %d images", errSkipped, n, of)
var errSkipped = errors.New("skipped")

// errShift is what a shiftError is.
var errShift = errors.New("shift found")

// shiftError is what watch returns after it has printed a change that is larger than what
// --fail-above allows.
type shiftError struct{ text string }

func (e shiftError) Error() string        { return e.text }
func (e shiftError) Is(target error) bool { return target == errShift }

// outcome is the error of a command that has printed its result: what it could not
// write, and why it could not print, or else what was skipped.
func outcome(written, printed, skipped error) error {
	if written != nil || printed != nil {
		return errors.Join(written, printed)
	}
	return skipped
}

// usageError is the error of a command line that cannot be carried out as it stands.
type usageError struct{ err error }

func (e usageError) Error() string        { return e.err.Error() }
func (e usageError) Unwrap() error        { return e.err }
func (e usageError) Is(target error) bool { return target == usage.Err }

// environmentError is a usageError about a variable of the environment.
type environmentError struct {
	usageError
	variable string
}

// projectError is a usageError about the project file, which stands for a part of the command line.
type projectError struct{ usageError }

// wrongVariable returns err, which names the variable, as the fault of that variable.
func wrongVariable(variable string, err error) error {
	return environmentError{usageError{err}, variable}
}

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

// A failure is what is printed about an error that a command ended with.
type failure struct {
	Message string `json:"message"` // begins with the command's name
	Status  int    `json:"status"`
	Kind    string `json:"kind"`           // of kinds, or kindFailed, kindInternal
	Path    string `json:"path,omitempty"` // of the file or folder at fault, if the error knows it
	Hint    string `json:"hint,omitempty"` // one or more lines
}

// kindOfError is the exit code of an error, and its kind.
func kindOfError(err error) (code int, kind string) {
	for _, row := range kinds {
		if errors.Is(err, row.sentinel) {
			return row.code, row.kind
		}
	}
	return exitFailed, kindFailed
}

// newFailure describes err, which cmd ended with, with more hints. It names the command, so
// that errors need not.
func newFailure(cmd *cobra.Command, err error, more ...string) failure {
	if cmd.HasParent() {
		err = fmt.Errorf("%s: %w", nameOf(cmd), err)
	}
	f := failure{Message: err.Error(), Path: pathOf(err)}
	f.Status, f.Kind = kindOfError(err)
	// A line, also of several faults that were found together.
	f.Message = onceEach(namingFlag(cmd, err, f.Message))
	if f.Path == "" {
		f.Path = pathIn(cmd, f.Message)
	}
	if f.Status == exitInterrupted {
		f.Message = strings.ReplaceAll(f.Message, context.Canceled.Error(), "interrupted")
	}
	err = withRecipe(err)
	hints := nearHints(cmd, err, f.Path)
	var h hinter
	if errors.As(err, &h) {
		hints = append(hints, h.Hint())
	}
	var mismatch *cache.MismatchError
	if errors.As(err, &mismatch) {
		hints = append(hints, textsHints(cmd, mismatch)...)
		if made := staleHint(mismatch); made != "" {
			hints = append(hints, made)
		}
		hints = append(hints, sideHints(cmd, mismatch, f.Message)...)
	}
	if mismatch != nil && mismatch.Asked {
		hints = append(hints, "{force} uses it anyway, where its shape fits")
	}
	if errors.Is(err, syscall.ENOSPC) {
		hints = append(hints, "make room on that disk, and run the same command again: files that are there are whole")
	}
	if takes := unitsHint(cmd, err); takes != "" {
		hints = append(hints, takes)
	}
	hints = append(append(hints, pathHints(cmd, err)...), more...)
	var env environmentError
	if errors.As(err, &env) {
		hints = append(hints, fmt.Sprintf("unset %s, or correct it: docs/exit-status.md has the variables and their values", env.variable))
	} else if errors.As(err, new(projectError)) {
		hints = append(hints, fmt.Sprintf("run %q, or see docs/project.md", cmd.Root().Name()+" config --help"))
	} else if f.Status == exitUsage {
		hints = append(hints, fmt.Sprintf("run %q", cmd.CommandPath()+" --help"))
	}
	f.Hint = strings.Join(hints, "\n")
	if f.Status == exitInterrupted && !strings.Contains(f.Hint, "the same command again") {
		f.Hint = strings.Join(append(hints, againHint(cmd)), "\n")
	}
	return f
}

// nameOf is a command's name in messages, of "data list" both words.
func nameOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// onceEach puts the lines of a message into one, each once: several steps that end for one
// reason, such as an interrupt, say it several times.
func onceEach(message string) string {
	var kept []string
	for line := range strings.SplitSeq(message, "\n") {
		said := func(k string) bool { return k == line || strings.HasSuffix(k, ": "+line) }
		if !slices.ContainsFunc(kept, said) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "; ")
}

// pathOf returns the path that err is about, as far as its type says; empty if it does
// not.
func pathOf(err error) string {
	var mismatch *cache.MismatchError
	var unusable *artefact.Error
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &mismatch):
		return mismatch.Path
	case errors.As(err, &unusable):
		return unusable.Path
	case errors.As(err, &file):
		return file.Path
	case errors.As(err, &link):
		return link.New
	}
	return ""
}

// namingFlag returns the message of err with the system call that failed because a file is
// not there, such as stat, replaced by the flag whose value is that file, or @ and that file;
// and of one that failed because a file is where a folder is wanted, or because a name is too long, by
// what is wrong. The path of an artefact that is not there has its flag before it.
func namingFlag(cmd *cobra.Command, err error, message string) string {
	var file *fs.PathError
	if errors.As(err, &file) && errors.Is(file, syscall.ENOTDIR) {
		return strings.Replace(message, file.Error(), noFolder(cmd, file.Path), 1)
	}
	if file != nil && errors.Is(file, syscall.ENAMETOOLONG) {
		before, after, _ := strings.Cut(message, file.Error())
		// What the error was wrapped with may name the file again, or one beside it.
		outer := strings.TrimSuffix(before, ": ")
		at := strings.LastIndex(outer, ": ") + len(": ")
		if again := outer[at:]; at > 1 && again != "" && strings.HasPrefix(file.Path, again[:min(len(again), mostShown)]) {
			before = before[:at]
		}
		return before + tooLong(cmd, file.Path) + after
	}
	if file == nil || !errors.Is(file, fs.ErrNotExist) {
		var of *artefact.Error
		if !errors.As(err, &of) || !errors.Is(of, cache.ErrMissing) {
			return message
		}
		if flags := flagsWith(cmd, of.Path); len(flags) == 1 && !strings.Contains(message, "--"+flags[0]+" ") && strings.HasPrefix(of.Error(), of.Path+": ") {
			return strings.Replace(message, of.Error(), "--"+flags[0]+" "+of.Error(), 1)
		}
		return message
	}
	flags := flagsWith(cmd, file.Path)
	if len(flags) != 1 {
		return strings.Replace(message, file.Error(), strings.TrimPrefix(file.Error(), file.Op+" "), 1)
	}
	return strings.Replace(message, file.Error(), "--"+flags[0]+strings.TrimPrefix(file.Error(), file.Op), 1)
}

// flagsWith are the flags that have a path as a value, or @ and that path.
func flagsWith(cmd *cobra.Command, path string) []string {
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if isSet(f) && slices.ContainsFunc(valuesOf(f), func(v string) bool { return strings.TrimPrefix(v, "@") == path }) {
			flags = append(flags, f.Name)
		}
	})
	return flags
}

// valuesOf are the values of a flag, which may take several.
func valuesOf(f *pflag.Flag) []string {
	if several, ok := f.Value.(pflag.SliceValue); ok {
		return several.GetSlice()
	}
	return []string{f.Value.String()}
}

// print prints f, as one JSON document or as text, and returns the exit code. It is the
// only place where errors are printed.
func (f failure) print(p *ui.Printer, asJSON bool) int {
	switch {
	case asJSON:
		f.Message, f.Hint = p.Spelled(f.Message), p.Spelled(f.Hint)
		p.ErrorJSON(map[string]failure{"error": f})
		return f.Status
	case f.Kind == kindInternal:
		p.Fault(fmt.Sprintf("%s (%s)", f.Message, f.Hint))
		return f.Status
	case f.Status == exitSkipped:
		p.Warn("%s", f.Message)
	default:
		p.Error(errors.New(f.Message))
	}
	p.Hint(f.Hint)
	return f.Status
}

// cobraUsageError turns what cobra returns before a command runs into a usageError, and
// suggests commands that an unknown one may have meant.
func cobraUsageError(root *cobra.Command, err error) error {
	if errors.Is(err, usage.Err) {
		return err
	}
	// Cobra has no type for this error.
	var name string
	if _, e := fmt.Sscanf(err.Error(), "unknown command %q for", &name); e != nil {
		return usageError{err}
	}
	return unknownCommand(root, name)
}

// unknownCommand returns the error of a name that no command below parent has.
func unknownCommand(parent *cobra.Command, name string) error {
	err := usageError{fmt.Errorf("unknown command %q", name)}
	if hint := scriptHint(parent.Root(), name); hint != "" {
		return hinted{err, hint}
	}
	if meant := parent.SuggestionsFor(name); len(meant) > 0 {
		return hinted{err, didYouMean(meant)}
	}
	return err
}

// didYouMean returns a hint that suggests one or more names.
func didYouMean(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "did you mean " + strings.Join(quoted, " or ") + "?"
}
