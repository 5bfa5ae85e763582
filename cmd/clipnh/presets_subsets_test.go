package main

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/project"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// projectKeys are what projects set for all commands.
var projectKeys = []string{
	"model", "data-path", "dataset", "scores", "pcs-path", "neuron-pcs-path", "codes", "text-descs-list-path",
	"text-descs-embeddings-path", "vocab", "templates", "classes", "imagenet-zeroshot-path", "means-path",
}

// typedLines are command lines beside which values of the project file are set, for each
// command also the one without flags.
var typedLines = []string{
	"audit --classes a,b --scores no/s --imagenet-zeroshot-path no/z --out no/o",
	"audit --classes a,b --scores no/s --imagenet-zeroshot-path no/z --out no/o --codes no/c.npz --text-descs-list-path no/w",
	"audit --classes a,b --scores no/s --imagenet-zeroshot-path no/z --out no/o --pcs-path no/p --text-descs-embeddings-path no/e --text-descs-list-path no/w",
	"audit --classes a,b --out no/o --codes no/c.npz",
	"classify no/a.jpg --classes a,b",
	"edit --model no/m --remove h1n2 --save-path no/o.pt --by zero",
	"explain no/a.jpg --classes a,b",
	"explain no/a.jpg --model no/m --classes a,b --imagenet-zeroshot-path no/z",
	"explain no/a.jpg --model no/m --classes a,b --imagenet-zeroshot-path no/z --codes no/c.npz --text-descs-list-path no/w",
	"explain no/a.jpg --model no/m --classes a,b --imagenet-zeroshot-path no/z --text-descs-embeddings-path no/e --pcs-path no/p --text-descs-list-path no/w",
	"explain no/a.jpg --codes no/c.npz",
	"explore no/report --check",
	"ablate --percentile 1 --neurons-norms-path no/n --means-path no/m.npy --scores no/s",
	"reconstruct --means-path no/m.npy --pcs-paths no/p.npy",
	"reconstruct --scores no/s --means-path no/m.npy --pcs-paths no/p.npy",
	"reconstruct --scores no/s --means-path no/m.npy --codes no/c.npz --text-descs-embeddings-path no/e",
	"report --scores no/s --out no/o",
	"report --scores no/s --out no/o --codes no/c.npz --text-descs-list-path no/w",
	"retrieve --neur-idxs 1 --scores no/s",
	"search --text a",
	"segment --image no/a.jpg --classes a,b",
	"shift --concepts a,b",
	"show n1 --scores no/s",
	"show n1 --scores no/s --codes no/c.npz --text-descs-list-path no/w",
}

// conflict is in errors about flags that exclude each other or come together.
var conflict = regexp.MustCompile(`want one|want both or neither|want two or none|goes with|has no effect|needs? --`)

// TestPresetSubsets holds, for all commands and all sets of keys that projects have, that
// values which were not typed contradict neither each other nor those that were.
func TestPresetSubsets(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(asset.HomeVariable, "home")
	lines := typedLines
	for _, cmd := range commandsBelow(newRootCommand(new(globalOptions))) {
		lines = append(lines, pathBelow(cmd.Root(), cmd))
	}
	tried := 0
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			s := newSubsets(t, line)
			tried += len(s.keys)
			alone := s.run(t, nil)
			bad := 0
			for set := 1; set < 1<<len(s.keys) && bad < 3; set++ {
				var keys []string
				for i, key := range s.keys {
					if set>>i&1 > 0 {
						keys = append(keys, key)
					}
				}
				err := s.run(t, keys)
				if errors.Is(err, usage.Err) && (!errors.Is(alone, usage.Err) || conflict.MatchString(err.Error()) && s.names(err)) {
					t.Errorf("%s: %v", strings.Join(keys, " "), err)
					bad++
				}
				s.leave(t)
			}
		})
	}
	if tried == 0 {
		t.Error("no command takes a key")
	}
}

// subsets runs one command line with sets of keys.
type subsets struct {
	cmd  *cobra.Command
	args []string
	keys []string // those that the command takes
	used []*preset
}

func newSubsets(t *testing.T, line string) *subsets {
	t.Helper()
	g := &globalOptions{isolated: true, printer: ui.NewPrinter(io.Discard, io.Discard, time.Now), newRoot: newRootCommand}
	g.texts = textReader{say: g.printer, stdin: strings.NewReader("")}
	root := newRootCommand(g)
	cmd, rest, err := root.Find(strings.Fields(line))
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // so that nothing is done beyond the checks of flags
	cmd.SetContext(ctx)
	s := &subsets{cmd: cmd, args: cmd.Flags().Args()}
	for _, key := range projectKeys {
		if f := lookup(cmd, key); !takesShared(cmd, f) && !hasOwn(pathBelow(root, cmd), f) {
			continue
		}
		s.keys = append(s.keys, key)
	}
	return s
}

// run sets the keys, as usePresets does for a project file, and runs the command.
func (s *subsets) run(t *testing.T, keys []string) error {
	t.Helper()
	file := new(project.File)
	for i, key := range keys {
		value := map[string]string{"dataset": "imagenet_val", "classes": "a,b", "codes": "no/codes.npz"}[key]
		if value == "" {
			value = "no/" + key
		}
		file.Settings = append(file.Settings, project.Setting{Key: key, Kind: project.Text, Values: []string{value}, Line: i + 1})
	}
	p := &presets{path: project.Name, dir: ".", file: file}
	var err error
	if s.used = p.of(s.cmd, os.Getenv); err == nil {
		err = usePresets(s.cmd.Flags(), pathBelow(s.cmd.Root(), s.cmd), s.used)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(s.keys) == 0 {
		return nil
	}
	if s.cmd.Args != nil {
		if err := s.cmd.Args(s.cmd, s.args); err != nil {
			return nil // whatever the project file says
		}
	}
	return s.cmd.RunE(s.cmd, s.args)
}

// names reports whether an error names a flag that has the value of a key.
func (s *subsets) names(err error) bool {
	named := false
	s.cmd.Flags().VisitAll(func(f *pflag.Flag) {
		named = named || annotation(f, fromAnnotation) != "" && namesFlag(err.Error(), "--"+f.Name)
	})
	return named
}

// leave takes the values of keys from the flags again.
func (s *subsets) leave(t *testing.T) {
	t.Helper()
	for _, p := range s.used {
		if p.undo == nil {
			continue
		}
		if err := p.undo(); err != nil {
			t.Fatal(err)
		}
		p.undo = nil
	}
}
