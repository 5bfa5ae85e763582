// Command clipnh decomposes CLIP-ResNet image encoders into neurons and heads.
//
// Each subcommand has a file cmd_NAME.go with, from top to bottom, constructor,
// options, flags, validation and run; root.go lists them, errors.go maps errors
// to exit codes. The work itself is done below internal/.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

func main() {
	os.Exit(run(interruptible(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// interruptible returns a context that SIGINT or SIGTERM cancels. After the first signal
// they are no longer caught, so that a second one ends the program however long a stage
// takes to stop.
func interruptible() context.Context {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release)
	return ctx
}

// run is the whole program: it executes the command that args name, and returns
// the exit code. Cancelling ctx interrupts it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	g := &globalOptions{printer: ui.NewPrinter(stdout, stderr, time.Now)}
	g.texts = textReader{say: g.printer, stdin: stdin}
	root := newRootCommand(g)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	defer onStatusSignal(g.printer.SayProgress)()
	g.printer.SetSpelling(spelling(root))
	return execute(ctx, g, root, args)
}

// execute is run for a given root.
func execute(ctx context.Context, g *globalOptions, root *cobra.Command, args []string) (code int) {
	defer func() {
		if v := recover(); v != nil {
			code = reportPanic(g.printer, par.Recovered(v), g.json || !g.running && asksForJSON(args))
		}
	}()
	if completes(args) {
		completeAll(root)
	}
	if named, err := mistyped(root, args); err != nil {
		return newFailure(named, err).print(g.printer, asksForJSON(args))
	}
	g.line = joined(args)
	root.SetArgs(append([]string{}, g.line...)) // cobra takes nil for os.Args
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = g.helpErr
	}
	if err == nil {
		return exitDone
	}
	if g.running {
		return newFailure(cmd, err, g.presetHints(cmd, err)...).print(g.printer, g.json)
	}
	if g.helpErr == nil {
		err = cobraUsageError(root, err)
	}
	// Flags after a wrong one were not looked at.
	return newFailure(cmd, err).print(g.printer, asksForJSON(args))
}

// asksForJSON reports whether --json is among args; the last of several counts.
func asksForJSON(args []string) bool {
	asked := false
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--json" {
			asked = true
		} else if value, ok := strings.CutPrefix(arg, "--json="); ok {
			asked, _ = strconv.ParseBool(value)
		}
	}
	return asked
}
