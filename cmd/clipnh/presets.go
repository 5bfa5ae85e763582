package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/project"
)

// This file gives flags the values that the environment and the project file have for
// them. A flag that is given wins, then the environment, then the command's section of the
// project file, then what the file has for all commands, and at last what was fetched
// (named.go). preset_rules.go says which values stand aside.

// presetPrefix begins the names of environment variables that stand for flags.
const presetPrefix = "CLIPNH_"

// withoutPresets are the commands that work whatever the project file says.
var withoutPresets = []string{"help", "version", "completion", "docs", "config"}

// presets are the values of the project file and of the environment.
type presets struct {
	path string // of the project file as messages name it, empty without one
	dir  string // of the project file, seen from the working folder
	file *project.File
}

// readPresets reads the project file of the working folder, if there is one, and checks
// it against the commands below root.
func readPresets(root *cobra.Command) (*presets, error) {
	path, err := project.Find(".")
	if err != nil || path == "" {
		return &presets{file: new(project.File)}, err
	}
	path = fromHere(path)
	file, err := project.Read(path)
	if err != nil {
		return nil, projectError{usageError{err}}
	}
	p := &presets{path: path, dir: filepath.Dir(path), file: file}
	if err := p.check(root); err != nil {
		return p, projectError{usageError{err}}
	}
	return p, nil
}

// fromHere returns a path relative to the working folder, or as it is where there is no
// such path.
func fromHere(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(here, path); err == nil {
		return relative
	}
	return path
}

func (p *presets) at(line int) string { return fmt.Sprintf("%s:%d", p.path, line) }

// flagOf returns the name of the flag that a key stands for.
func flagOf(key string) string { return string(dashes(nil, key)) }

// check returns an error about the first key or value of the project file that no command
// could use.
func (p *presets) check(root *cobra.Command) error {
	for _, s := range p.file.Settings {
		if err := p.checkShared(root, s); err != nil {
			return err
		}
	}
	if err := p.checkTwice(p.file.Settings); err != nil {
		return err
	}
	for _, section := range p.file.Sections {
		cmd := commandNamed(root, section.Name)
		if f := sharedFlag(root, section.Name); cmd == nil && f != nil {
			return usageError{fmt.Errorf("%s: %s: a section, want %s", p.at(section.Line), section.Name, wanted(f))}
		}
		if cmd == nil {
			err := usageError{fmt.Errorf("%s: unknown command %s, want a section for a command, such as collect", p.at(section.Line), foreign.Quote(section.Name))}
			if meant := root.SuggestionsFor(section.Name); len(meant) > 0 {
				return hinted{err, didYouMean(meant)}
			}
			return err
		}
		for _, s := range section.Settings {
			if err := p.checkOwn(cmd, s); err != nil {
				return err
			}
		}
		if err := p.checkTwice(section.Settings); err != nil {
			return err
		}
	}
	return nil
}

// checkTwice refuses two spellings of one key.
func (p *presets) checkTwice(settings []project.Setting) error {
	lines := map[string]int{}
	for _, s := range settings {
		if line, twice := lines[flagOf(s.Key)]; twice {
			return usageError{fmt.Errorf("%s: %s is on line %d already, as another spelling: want it once", p.at(s.Line), s.Key, line)}
		}
		lines[flagOf(s.Key)] = s.Line
	}
	return nil
}

// commandNamed returns the command of a section, nil if there is none that takes one.
func commandNamed(root *cobra.Command, name string) *cobra.Command {
	cmd, rest, err := root.Find(strings.Fields(name))
	if err != nil || len(rest) > 0 || !cmd.HasParent() || !takesPresets(cmd) || name != pathBelow(root, cmd) {
		return nil
	}
	return cmd
}

// pathBelow returns the words that name a command: data subset.
func pathBelow(root, cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), root.CommandPath()+" ")
}

func takesPresets(cmd *cobra.Command) bool {
	return cmd.HasParent() && !slices.Contains(withoutPresets, cmd.Name())
}

// checkShared checks a setting for all commands: some command must take it.
func (p *presets) checkShared(root *cobra.Command, s project.Setting) error {
	flag := flagOf(s.Key)
	if !slices.Contains(sharedFlags, flag) {
		if cmd := commandNamed(root, s.Key); cmd != nil {
			return hinted{usageError{fmt.Errorf("%s: %s: %s, want the settings of this command", p.at(s.Line), s.Key, foreign.QuoteAll(s.Values))},
				"give each setting a line of its own below it, indented"}
		}
		var meant []string
		for _, name := range sharedFlags {
			if hint.Edits(name, flag) <= 2 {
				meant = append(meant, name)
			}
		}
		if len(meant) > 0 {
			return hinted{usageError{fmt.Errorf("%s: unknown key %s", p.at(s.Line), foreign.Quote(s.Key))}, didYouMean(meant)}
		}
		var takers []string
		for _, cmd := range commandsBelow(root) {
			if f := cmd.Flags().Lookup(flag); f != nil && p.checkOwn(cmd, s) == nil {
				takers = append(takers, pathBelow(root, cmd))
			}
		}
		if len(takers) > 0 {
			return hinted{usageError{fmt.Errorf("%s: %s is not for all commands", p.at(s.Line), s.Key)},
				fmt.Sprintf("put it into the section of a command that takes it: %s", strings.Join(takers, ", "))}
		}
		return hinted{usageError{fmt.Errorf("%s: unknown key %s", p.at(s.Line), foreign.Quote(s.Key))},
			"keys for all commands are " + strings.Join(sharedFlags, ", ")}
	}
	var first error
	for _, cmd := range commandsBelow(root) {
		f := lookup(cmd, flag)
		if f == nil || f.Hidden {
			continue
		}
		err := checkSetting(pathBelow(root, cmd), f, s)
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return usageError{fmt.Errorf("%s: %s: %w", p.at(s.Line), s.Key, first)}
}

// sharedFlag returns the flag for all commands that a key stands for; nil if there is none.
func sharedFlag(root *cobra.Command, key string) *pflag.Flag {
	if !slices.Contains(sharedFlags, flagOf(key)) {
		return nil
	}
	for _, cmd := range commandsBelow(root) {
		if f := lookup(cmd, flagOf(key)); f != nil && !f.Hidden {
			return f
		}
	}
	return nil
}

// lookup returns a flag of a command, global ones too.
func lookup(cmd *cobra.Command, flag string) *pflag.Flag {
	if f := cmd.Flags().Lookup(flag); f != nil {
		return f
	}
	return cmd.Root().PersistentFlags().Lookup(flag)
}

// checkOwn checks a setting in the section of a command.
func (p *presets) checkOwn(cmd *cobra.Command, s project.Setting) error {
	flag := flagOf(s.Key)
	f := lookup(cmd, flag)
	if isTyped(pathBelow(cmd.Root(), cmd), flag) {
		return usageError{fmt.Errorf("%s: %s must be given on the command line", p.at(s.Line), s.Key)}
	}
	if f == nil || f.Hidden {
		err := usageError{fmt.Errorf("%s: unknown key %s of %s", p.at(s.Line), foreign.Quote(s.Key), pathBelow(cmd.Root(), cmd))}
		if meant := similarFlags(cmd.Flags(), flag); len(meant) > 0 {
			for i := range meant {
				meant[i] = strings.TrimPrefix(meant[i], "--")
			}
			return hinted{err, didYouMean(meant)}
		}
		return err
	}
	if err := checkSetting(pathBelow(cmd.Root(), cmd), f, s); err != nil {
		return usageError{fmt.Errorf("%s: %s: %w", p.at(s.Line), s.Key, err)}
	}
	return nil
}

// checkSetting compares a value with what a flag of a command takes.
func checkSetting(command string, f *pflag.Flag, s project.Setting) error {
	if _, several := f.Value.(pflag.SliceValue); s.Kind == project.List && !several {
		return fmt.Errorf("a list, want %s", wanted(f))
	}
	if (s.Kind == project.Truth) != (f.Value.Type() == "bool") {
		return fmt.Errorf("%s, want %s", foreign.QuoteAll(s.Values), wanted(f))
	}
	for _, value := range s.Values {
		if err := checkValue(command, f, value); err != nil {
			return err
		}
	}
	return nil
}

// checkValue checks one value, of a slice perhaps several with commas.
func checkValue(command string, f *pflag.Flag, value string) error {
	var err error
	switch f.Value.Type() {
	case "bool":
		_, err = strconv.ParseBool(value)
	case "int", "int64":
		var n int64
		if n, err = strconv.ParseInt(value, 10, 64); err == nil {
			return checkBounds(command, f.Name, n)
		}
	case "uint64":
		_, err = strconv.ParseUint(value, 10, 64)
	case "float64":
		_, err = strconv.ParseFloat(value, 64)
	case "intSlice", "float64Slice":
		for word := range strings.SplitSeq(value, ",") {
			_, e := strconv.ParseFloat(strings.TrimSpace(word), 64)
			err = cmp.Or(err, e)
		}
	default:
		if value == "-" || value == "@-" {
			return fmt.Errorf("%q, want a file: standard input is for the command line", value)
		}
		if allowed := f.Annotations[choicesAnnotation]; allowed != nil {
			for word := range strings.SplitSeq(value, ",") {
				if !slices.Contains(allowed, word) {
					err = errors.New("not a choice")
				}
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s, want %s", foreign.Quote(value), wanted(f))
	}
	return nil
}

// commandsBelow returns the commands below root, at any depth, that take presets.
func commandsBelow(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range root.Commands() {
		if takesPresets(cmd) {
			all = append(append(all, cmd), commandsBelow(cmd)...)
		}
	}
	return all
}
