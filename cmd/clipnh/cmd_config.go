package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/project"
	"github.com/clipnh/clipnh/internal/ui"
)

const configHelp = `
Prints the values that flags have when they are not given, and where each comes
from: the project file, the environment, what was fetched, or the program's
defaults. With the name of a command, prints all of its flags; without, those of
all commands that are not the program's defaults.

The project file is clipnh.yaml in the working folder or the nearest folder
above it that has one. It sets values for all commands, and in sections values
for single commands:

  model: RN50x16
  data-path: photos
  collect:
    dataset: images

Relative paths in it are relative to its folder. Keys are names of flags. Only
inputs, and flags that say how the machine is used, can be set for all commands;
paths to write cannot. Sections may have every flag of their command but
--force, --restart and --repair. A flag that can be set for all commands also
has an environment variable, such as CLIPNH_MODEL for --model.

A flag on the command line counts most, then the environment, then the command's
section, then the value for all commands, then what was fetched. A value that
conflicts with one that counts more is ignored: if --model is given, the scores
of another model in the project file are not used. A value for all commands that
only some of them take, such as a --dataset, counts for those; to the others, a
variable is an error. With --verbose any command says which values it takes and
which it ignores.

With --init, writes clipnh.yaml into the working folder: every key for all
commands with an explanation, commented out. It never replaces a file.`

func newConfigCommand(g *globalOptions) *cobra.Command {
	var opts configOptions
	cmd := &cobra.Command{
		Use:   "config [COMMAND] [--init]",
		Short: "Show the values of flags not given, and their sources",
		Long:  configHelp,
		Example: "clipnh config --init\n" +
			"clipnh config collect",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeCommands,
		Annotations:       exitStatus(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.init {
				if len(args) > 0 {
					return usageError{fmt.Errorf("--init takes no arguments, %q", args[0])}
				}
				return runConfigInit(g)
			}
			return runConfig(cmd.Context(), args, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// configOptions is everything the config command can be told.
type configOptions struct {
	init bool
}

func (o *configOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.init, "init", false, "write a commented clipnh.yaml into the working folder")
}

// completeCommands completes names of commands that have values by default.
func completeCommands(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, c := range commandsBelow(cmd.Root()) {
		path := strings.Fields(pathBelow(cmd.Root(), c))
		if n := len(args); len(path) > n && slices.Equal(path[:n], args) && strings.HasPrefix(path[n], word) {
			if !slices.Contains(words, path[n]) {
				words = append(words, path[n])
			}
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// configResult is what flags are by default.
type configResult struct {
	Project  string        `json:"project,omitempty"` // path of the project file
	Defaults []flagDefault `json:"defaults"`
	Unused   []flagDefault `json:"unused"` // values of the project file and the environment that stand aside
}

// flagDefault is the value of a flag of a command that is not given.
type flagDefault struct {
	Command string `json:"command"`
	Flag    string `json:"flag"`              // without dashes
	Value   string `json:"value"`             // as it is typed
	Source  string `json:"source"`            // project, environment, fetched or program
	From    string `json:"from"`              // a line, such as clipnh.yaml:3, a variable, the name of what was fetched, or program
	Because string `json:"because,omitempty"` // of one that stands aside: why
}

// The sources of defaults.
const (
	sourceProject     = "project"
	sourceEnvironment = "environment"
	sourceFetched     = "fetched"
	sourceProgram     = "program"
)

func runConfig(ctx context.Context, args []string, g *globalOptions) error {
	root := g.newRoot(new(globalOptions))
	p, err := readPresets(root)
	if err != nil {
		return err
	}
	if err := checkVariables(root, os.Getenv); err != nil {
		return err
	}
	commands := commandsBelow(root)
	if name := strings.Join(args, " "); name != "" {
		cmd := commandNamed(root, name)
		if cmd == nil {
			return unknownCommand(root, name)
		}
		commands = []*cobra.Command{cmd}
	}
	result := configResult{Project: p.path, Defaults: []flagDefault{}, Unused: []flagDefault{}}
	for _, cmd := range commands {
		if cmd.HasAvailableSubCommands() {
			continue
		}
		cmd = commandNamed(g.newRoot(new(globalOptions)), pathBelow(root, cmd)) // with flags of its own, none given
		if err := result.add(ctx, cmd, p); err != nil {
			return err
		}
	}
	for _, name := range strayVariables(os.Environ()) {
		g.printer.Warn("%s is set and means nothing: no flag that takes a variable has this name", name)
	}
	if g.json {
		return g.printer.JSON(result)
	}
	return result.print(len(args) > 0, g.printer)
}

// add adds the flags of a command of which none is given.
func (r *configResult) add(ctx context.Context, cmd *cobra.Command, p *presets) error {
	all := p.of(cmd, os.Getenv)
	name, flags := pathBelow(cmd.Root(), cmd), cmd.Flags()
	flags.AddFlagSet(cmd.Root().PersistentFlags())
	if err := usePresets(flags, name, all); err != nil {
		return err
	}
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || err != nil || f.Name == "help" {
			return
		}
		d := flagDefault{Command: name, Flag: f.Name, Value: typedValue(f), Source: sourceProgram, From: sourceProgram}
		if from := annotation(f, fromAnnotation); from != "" {
			d.From, d.Source = from, sourceEnvironment
			if slices.ContainsFunc(all, func(q *preset) bool { return q.file && q.from == from }) {
				d.Source = sourceProject
			}
		} else if hasDefault(f, flags) {
			var path string
			if path, err = fallback(ctx, f); path != "" {
				d.Value, d.Source, d.From = path, sourceFetched, annotation(f, defaultAnnotation)
			}
		}
		r.Defaults = append(r.Defaults, d)
	})
	for _, q := range all {
		if q.unused != "" {
			d := flagDefault{Command: name, Flag: q.flag, Value: strings.Join(q.values, ","), Source: sourceProject, From: q.from, Because: q.unused}
			if !q.file {
				d.Source = sourceEnvironment
			}
			r.Unused = append(r.Unused, d)
		}
	}
	return err
}

// print prints all flags of one command, or of several what is not the program's own.
func (r *configResult) print(one bool, p *ui.Printer) error {
	if r.Project == "" {
		p.Note("no project file: no %s in the working folder or above it (--init writes one)", project.Name)
	} else {
		p.Note("project file %s", r.Project)
	}
	if one {
		t := ui.NewTable(ui.Left("flag"), ui.Left("value"), ui.Left("from"))
		for _, d := range r.Defaults {
			t.Row("--"+d.Flag, d.Value, d.spelledFrom())
		}
		return errors.Join(p.Table(t), r.printUnused(p))
	}
	// One row for a value, with the commands that take it.
	t := ui.NewTable(ui.Left("flag"), ui.Left("value"), ui.Left("from"), ui.Left("commands"))
	var rows []flagDefault
	for _, d := range r.Defaults {
		if d.Source == sourceProgram {
			continue
		}
		at := slices.IndexFunc(rows, func(row flagDefault) bool { return row.Flag == d.Flag && row.Value == d.Value && row.From == d.From })
		if at < 0 {
			rows = append(rows, d)
		} else {
			rows[at].Command += ", " + d.Command
		}
	}
	if len(rows) == 0 {
		p.Note("all flags have the program's own defaults")
		return r.printUnused(p)
	}
	for _, d := range rows {
		t.Row("--"+d.Flag, d.Value, d.spelledFrom(), d.Command)
	}
	return errors.Join(p.Table(t), r.printUnused(p))
}

func (r *configResult) printUnused(p *ui.Printer) error {
	if len(r.Unused) == 0 {
		return nil
	}
	t := ui.NewTable(ui.Left("stands aside"), ui.Left("in"), ui.Left("from"), ui.Left("because"))
	for _, d := range r.Unused {
		t.Row("--"+d.Flag, d.Command, d.From, d.Because)
	}
	return errors.Join(p.Text("\n"), p.Table(t))
}

func (d flagDefault) spelledFrom() string {
	if d.Source == sourceFetched {
		return "fetched: " + d.From
	}
	return d.From
}

// projectTemplate is what --init writes.
//
//go:embed project.yaml
var projectTemplate string

// initialised is what config --init wrote.
type initialised struct {
	Path string `json:"path"`
}

func runConfigInit(g *globalOptions) error {
	if _, err := os.Lstat(project.Name); err == nil {
		return fmt.Errorf("%s: %w, and is not replaced", project.Name, cache.ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := g.files.WriteFile(project.Name, func(w io.Writer) error {
		_, err := io.WriteString(w, projectTemplate)
		return err
	})
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(initialised{project.Name})
	}
	t := ui.NewTable(ui.Left("wrote"))
	t.Row(project.Name)
	return g.printer.Table(t)
}
