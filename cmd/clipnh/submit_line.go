package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/submit"
)

// This file checks a command line that is to be run elsewhere, as far as it can be here.

// A remoteLine is a command line that was checked, for machines of a cluster.
type remoteLine struct {
	name  string      // of the command
	given []givenFlag // in their order
	flags *pflag.FlagSet
	save  string // the path that is written, without the number of a shard
}

type givenFlag struct {
	flag  *pflag.Flag
	value string
}

// checkedLine checks a command line of a command with shards: everything that the command
// itself checks before it opens a file. isolated leaves out values of the project file and
// the environment.
func (g *globalOptions) checkedLine(ctx context.Context, args []string, shards int, isolated bool) (*remoteLine, error) {
	inner := &globalOptions{printer: g.printer, texts: textReader{say: g.printer}, isolated: isolated, checking: true}
	root := g.newRoot(inner)
	args = joined(args)
	cmd, rest, err := root.Find(args)
	if err == nil && len(args) > 0 && cmd == root {
		err = fmt.Errorf("%s: want the name of a command first", foreign.Quote(args[0]))
	}
	if err != nil {
		return nil, cobraUsageError(root, err)
	}
	if cmd.Flags().Lookup("shard") == nil {
		return nil, usageError{fmt.Errorf("%s has no shards: want collect, segment or shift", cmd.Name())}
	}
	if _, err := mistyped(root, args); err != nil {
		return nil, err
	}
	root.SetArgs(append(append([]string{}, args...), fmt.Sprintf("--shard=1/%d", max(shards, 1))))
	line := &remoteLine{name: cmd.Name()}
	if line.given, err = flagsOf(cmd, rest); err == nil {
		cmd, err = root.ExecuteContextC(ctx)
	}
	g.printer.SetQuiet(g.quiet)
	g.printer.SetProgress(showings[g.shown])
	if err != nil {
		if !inner.running {
			err = cobraUsageError(root, err)
		}
		return nil, fmt.Errorf("%s: %w", line.name, err)
	}
	line.flags = cmd.Flags()
	return line, nil
}

// flagsOf returns the flags of a command in args, with the values that they are given, and
// refuses those that tasks of a cluster are given by the scheduler, or must not be given.
func flagsOf(cmd *cobra.Command, args []string) ([]givenFlag, error) {
	var given []givenFlag
	cmd.InheritedFlags() // adds them to its own
	err := cmd.Flags().ParseAll(args, func(f *pflag.Flag, value string) error {
		switch f.Name {
		case "shard":
			return errors.New("--shard is chosen by the scheduler: want none")
		case "restart":
			return errors.New("--restart would discard what a task resumes from, whenever it is started again: want none, and remove the shards first")
		case "help":
			return errors.New("--help prints the help of the command: want none")
		}
		given = append(given, givenFlag{f, value})
		return nil
	})
	if err != nil {
		return nil, usageError{err}
	}
	if rest := cmd.Flags().Args(); len(rest) > 0 {
		err := usageError{fmt.Errorf("unexpected argument %s", foreign.Quote(rest[0]))}
		for _, g := range given {
			if hint := expandedHint(g.value, rest); g.flag.Name == "data-path" && hint != "" {
				return nil, hinted{err, hint}
			}
		}
		return nil, err
	}
	return given, nil
}

// layers are the layers of neurons that the command looks at, as they are written.
func (l *remoteLine) layers() []string {
	f := l.flags.Lookup("neuron-layer")
	if f == nil || f.Value.String() == "" {
		return nil
	}
	return strings.Split(f.Value.String(), ",")
}

// layerPaths are the paths that shards of the command lie beside: with several layers, one for each.
func (l *remoteLine) layerPaths() []string {
	layers := l.layers()
	if len(layers) < 2 {
		return []string{l.save}
	}
	paths := make([]string, len(layers))
	for i, layer := range layers {
		paths[i] = filepath.Join(l.save, artefact.LayerFolder+layer)
	}
	return paths
}

// follow is the command line that says how far the shards are.
func (l *remoteLine) follow() string { return "clipnh status " + submit.ShellLine([]string{l.save}) }

// locate makes paths in the line absolute, those of assets too, and checks that the model
// and the images are there.
func (l *remoteLine) locate(folder string) error {
	in := preset{dir: folder}
	save := l.flags.Lookup("save-path")
	l.save = filepath.Clean(in.located(save, save.Value.String()))
	for i, g := range l.given {
		f := l.flags.Lookup(g.flag.Name)
		if _, err := os.Lstat(g.value); err != nil && annotation(f, assetAnnotation) != "" {
			g.value = f.Value.String() // of an asset, found by its name
		}
		l.given[i].value = in.located(f, g.value)
	}
	for _, name := range []string{"model", "data-path"} {
		path := l.flags.Lookup(name).Value.String()
		if path == "" || remote.Named(path) {
			continue
		}
		if prefix, _, braces := strings.Cut(path, "{"); braces { // a pattern of archives
			folder := filepath.Dir(prefix + "x")
			if _, err := os.Stat(folder); name == "data-path" && (err == nil || strings.Contains(path, "://")) {
				if err := dataset.There(path); err != nil {
					return fmt.Errorf("%s: --%s %w", l.name, name, err)
				}
				continue
			}
			path = folder
		}
		var failed *fs.PathError
		if _, err := os.Stat(path); errors.As(err, &failed) {
			return fmt.Errorf("%s: --%s %s: %w", l.name, name, path, failed.Err)
		}
	}
	return nil
}

// listFirst has a line of collect or shift read a list of its images, and returns the command line that
// keeps this list, next to what is written.
func (l *remoteLine) listFirst() ([]string, error) {
	value := func(name string) string { return l.flags.Lookup(name).Value.String() }
	data := value("data-path")
	switch {
	case l.name == "segment":
		return nil, usageError{errors.New("--list is for collect and shift: segment finds label maps in the data set's folder")}
	case l.name == "shift" && value("labels-csv") == "" && (value("dataset") == dataset.Cars || value("colours-csv") != ""):
		return nil, usageError{errors.New("--list: labels of Stanford Cars are read from the folder at --data-path, want no --list")}
	case dataset.IsListing(data):
		return nil, usageError{fmt.Errorf("--list: --data-path %s is a list already, want no --list", data)}
	}
	// Where one of these is given on the command line, the project file's others stand aside.
	moved, list := []string{"dataset", "sample-stride"}, []string{"data", "list", "--dataset=" + value("dataset")}
	if key := value("label-key"); key != "" {
		moved, list = append(moved, "label-key"), append(list, "--label-key="+key)
	}
	at := ""
	for _, g := range l.given {
		if g.flag.Name == "data-path" {
			at = g.value
		}
	}
	l.given = slices.DeleteFunc(l.given, func(g givenFlag) bool {
		return g.flag.Name == "data-path" || slices.Contains(moved, g.flag.Name)
	})
	for _, name := range moved {
		l.given = append(l.given, givenFlag{l.flags.Lookup(name), value(name)})
	}
	path := l.save + dataset.ListingEnd
	l.given = append(l.given, givenFlag{l.flags.Lookup("data-path"), path})
	return append(list, "--data-path="+cmp.Or(at, data), "--save-path="+path), nil
}

// checkAbsolute refuses relative paths: a container has another working folder.
func (l *remoteLine) checkAbsolute() error {
	in := preset{dir: string(filepath.Separator)}
	l.save = filepath.Clean(l.flags.Lookup("save-path").Value.String())
	for _, g := range l.given {
		f := l.flags.Lookup(g.flag.Name)
		asset := annotation(f, assetAnnotation) != "" && !filepath.IsAbs(g.value)
		if asset || in.located(f, g.value) != g.value {
			return usageError{fmt.Errorf("%s: --%s %s: want an absolute path, as the containers see it", l.name, f.Name, foreign.Quote(g.value))}
		}
	}
	return nil
}

// of returns what a scheduler is to be told of the line.
func (l *remoteLine) of(o submitOptions) submit.Work {
	w := o.work
	w.NoMerge, w.Command, w.Save = !o.merge, l.name, l.save
	if layers := l.layers(); len(layers) > 1 {
		w.Layers = strings.Join(layers, ",")
	}
	threads := false
	for _, g := range l.given {
		threads = threads || g.flag.Name == "threads"
		w.Flags = append(w.Flags, fmt.Sprintf("--%s=%s", g.flag.Name, g.value))
	}
	if !threads {
		w.Flags = append(w.Flags, fmt.Sprintf("--threads=%d", w.CPUs))
	}
	return w
}
