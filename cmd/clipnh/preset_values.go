package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/project"
)

// A preset is a value for a flag that is not given.
type preset struct {
	flag   string
	list   bool
	values []string // one unless list
	from   string   // such as clipnh.yaml:3 or CLIPNH_MODEL
	dir    string   // what relative paths are relative to, as seen from the working folder; empty for that
	file   bool     // of the project file, not of the environment
	shared bool     // for all commands
	unused string   // why it is not used, once that is known
}

// of returns the values for the flags of a command, stronger ones first, and of equally
// strong ones those of earlier flags. Values for all commands that this one does not
// take are left out.
func (p *presets) of(cmd *cobra.Command, env func(string) string) ([]*preset, error) {
	var strength [3][]*preset
	name := pathBelow(cmd.Root(), cmd)
	for _, flag := range sharedFlags {
		variable := variableOf(flag)
		f, value := lookup(cmd, flag), env(variable)
		if value == "" || !takesShared(cmd, f) {
			continue
		}
		if err := checkValue(f, value); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", variable, err)}
		}
		strength[0] = append(strength[0], &preset{flag: flag, values: []string{value}, from: variable, shared: true})
	}
	add := func(to int, s project.Setting) {
		strength[to] = append(strength[to], &preset{
			flag: flagOf(s.Key), list: s.Kind == project.List, values: s.Values, from: p.at(s.Line), dir: p.dir, file: true, shared: to == 2,
		})
	}
	for _, section := range p.file.Sections {
		if section.Name == name {
			for _, s := range section.Settings {
				add(1, s)
			}
		}
	}
	for _, s := range p.file.Settings {
		if f := lookup(cmd, flagOf(s.Key)); takesShared(cmd, f) && checkSetting(f, s) == nil {
			add(2, s)
		}
	}
	place := map[string]int{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { place[f.Name] = len(place) })
	for _, some := range strength {
		slices.SortStableFunc(some, func(a, b *preset) int { return cmp.Compare(place[a.flag], place[b.flag]) })
	}
	return slices.Concat(strength[0], strength[1], strength[2]), nil
}

// variableOf returns the environment variable of a flag.
func variableOf(flag string) string {
	return presetPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// takesShared reports whether a command takes a value for all commands for a flag.
func takesShared(cmd *cobra.Command, f *pflag.Flag) bool {
	if f == nil || f.Hidden {
		return false
	}
	own := ownMeanings[pathBelow(cmd.Root(), cmd)]
	global := cmd.Root().PersistentFlags().Lookup(f.Name) != nil
	return global || !slices.Contains(own, f.Name) && !slices.Contains(own, "*")
}

// use gives flags their values. A value that stands aside is left, and says why.
func usePresets(flags *pflag.FlagSet, command string, all []*preset) error {
	for again := true; again; {
		again = false
		for _, p := range all {
			f := flags.Lookup(p.flag)
			if f == nil || isSet(f) {
				continue
			}
			if p.unused = whyUnused(p, all, flags, command); p.unused != "" {
				continue
			}
			if err := p.set(f); err != nil {
				return err
			}
			again = true // another may stand aside for it, or need it
			break
		}
	}
	return nil
}

// set gives f the value.
func (p *preset) set(f *pflag.Flag) error {
	values := make([]string, len(p.values))
	for i, value := range p.values {
		values[i] = p.located(f, value)
	}
	var err error
	several, ok := f.Value.(pflag.SliceValue)
	switch {
	case p.list && ok:
		err = several.Replace(values)
	default:
		into := f.Value
		if counted, ok := into.(*countedValue); ok {
			into = counted.Value // it is not given
		}
		err = into.Set(values[0])
	}
	if err != nil {
		return usageError{fmt.Errorf("%s: %s: %s, want %s", p.from, p.flag, foreign.Quote(values[0]), wanted(f))}
	}
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[fromAnnotation] = []string{p.from}
	return nil
}

// located returns value, if it is a path relative to the file's folder, relative to the
// working folder.
func (p *preset) located(f *pflag.Flag, value string) string {
	if p.dir == "" || p.dir == "." {
		return value
	}
	place := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(p.dir, path)
	}
	if texts, ok := f.Value.(*textList); ok {
		if path, file := strings.CutPrefix(value, "@"); file {
			return "@" + place(path)
		}
		if !p.list && texts.isPath != nil && texts.isPath(place(value)) {
			return place(value)
		}
		return value
	}
	placeholder, _ := pflag.UnquoteUsage(f)
	switch kind := strings.TrimSuffix(placeholder, ",..."); {
	case annotation(f, assetAnnotation) != "":
		if _, err := os.Lstat(place(value)); err != nil && !strings.ContainsAny(value, `./\`) {
			return value // the name of an asset
		}
		return place(value)
	case kind == "FILE" || kind == "DIR" || kind == "PATH" || kind == "REF":
		if kind != placeholder && !p.list {
			parts := strings.Split(value, ",")
			for i := range parts {
				parts[i] = place(parts[i])
			}
			return strings.Join(parts, ",")
		}
		return place(value)
	case slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(value)):
		return place(value)
	}
	return value
}
