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
	"github.com/clipnh/clipnh/internal/remote"
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
	own    bool     // for all commands, but the command takes its own values only
	unused string   // why it is not used, once that is known
	barred string   // why it can not be used, whatever the others do

	refused error        // of the environment: what the command has against the value; nil if it takes it
	undo    func() error // takes the value from its flag again; nil while it is not used
}

// of returns the values for the flags of a command, stronger ones first, and of equally
// strong ones those of earlier flags. Values for all commands of flags that this one does
// not have are left out; those that it does not take are barred.
func (p *presets) of(cmd *cobra.Command, env func(string) string) []*preset {
	var strength [3][]*preset
	name := pathBelow(cmd.Root(), cmd)
	for _, flag := range sharedFlags {
		variable := variableOf(flag)
		f, value := lookup(cmd, flag), env(variable)
		if value == "" || !takesShared(cmd, f) && !hasOwn(name, f) {
			continue
		}
		q := &preset{flag: flag, values: []string{value}, from: variable, shared: true}
		if err := checkValue(name, f, value); err != nil {
			q.refused, q.barred = fmt.Errorf("%s: %w", variable, err), fmt.Sprintf("%s refuses it: %v", name, err)
		}
		q.keepOwn(name, f)
		strength[0] = append(strength[0], q)
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
		f := lookup(cmd, flagOf(s.Key))
		if !takesShared(cmd, f) && !hasOwn(name, f) {
			continue
		}
		add(2, s)
		q := strength[2][len(strength[2])-1]
		if err := checkSetting(name, f, s); err != nil {
			q.barred = fmt.Sprintf("%s does not take it: %v", name, err)
		}
		q.keepOwn(name, f)
	}
	place := map[string]int{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { place[f.Name] = len(place) })
	for _, some := range strength {
		slices.SortStableFunc(some, func(a, b *preset) int { return cmp.Compare(place[a.flag], place[b.flag]) })
	}
	return slices.Concat(strength[0], strength[1], strength[2])
}

// checkVariables returns an error about the first value of the environment that no command
// takes.
func checkVariables(root *cobra.Command, env func(string) string) error {
	for _, flag := range sharedFlags {
		variable := variableOf(flag)
		value := env(variable)
		if value == "" {
			continue
		}
		var first error
		taken := slices.ContainsFunc(commandsBelow(root), func(cmd *cobra.Command) bool {
			f := lookup(cmd, flag)
			if !takesShared(cmd, f) {
				return false
			}
			err := checkValue(pathBelow(root, cmd), f, value)
			first = cmp.Or(first, err)
			return err == nil
		})
		if !taken && first != nil {
			return wrongVariable(variable, fmt.Errorf("%s: %w", variable, first))
		}
	}
	return nil
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

// hasOwn reports whether a command has values of its own for a flag, by name.
func hasOwn(command string, f *pflag.Flag) bool {
	return f != nil && !f.Hidden && slices.Contains(ownMeanings[command], f.Name)
}

// keepOwn bars a value for all commands from a command that has its own for the flag.
func (p *preset) keepOwn(command string, f *pflag.Flag) {
	if hasOwn(command, f) {
		p.own, p.barred = true, fmt.Sprintf("%s takes it from the command line and its own section only", command)
	}
}

// usePresets gives flags their values. A value that stands aside is left, and says why.
func usePresets(flags *pflag.FlagSet, command string, all []*preset) error {
	for {
		if err := usePossible(flags, command, all); err != nil {
			return err
		}
		// What a value needs may have stood aside after it: then it does too.
		at := slices.IndexFunc(all, func(p *preset) bool {
			if p.undo != nil {
				p.barred = lacks(p, flags, command, func(string) bool { return false })
			}
			return p.undo != nil && p.barred != ""
		})
		if at < 0 {
			return nil
		}
		for _, p := range all {
			if p.undo == nil {
				continue
			}
			if err := p.undo(); err != nil {
				return err
			}
			p.undo = nil
		}
	}
}

// usePossible gives flags those values that do not stand aside for others so far.
func usePossible(flags *pflag.FlagSet, command string, all []*preset) error {
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
	into := f.Value
	if counted, ok := into.(*countedValue); ok {
		into = counted.Value // it is not given
	}
	restore := func() error {
		if u, ok := into.(interface{ unset() }); ok {
			u.unset()
			return nil
		}
		return into.Set(f.DefValue)
	}
	if ok {
		before := slices.Clone(several.GetSlice())
		restore = func() error { return several.Replace(before) }
	}
	if p.list && ok {
		err = several.Replace(values)
	} else {
		err = into.Set(values[0])
	}
	if err != nil {
		return usageError{fmt.Errorf("%s: %s: %s, want %s", p.from, p.flag, foreign.Quote(values[0]), wanted(f))}
	}
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[fromAnnotation] = []string{p.from}
	p.undo = func() error {
		delete(f.Annotations, fromAnnotation)
		return restore()
	}
	return nil
}

// located returns value, if it is a path relative to the file's folder, relative to the
// working folder.
func (p *preset) located(f *pflag.Flag, value string) string {
	if p.dir == "" || p.dir == "." {
		return value
	}
	place := func(path string) string {
		if path == "" || filepath.IsAbs(path) || remote.Named(path) {
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
