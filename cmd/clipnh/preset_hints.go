package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/project"
	"github.com/clipnh/clipnh/internal/usage"
)

// usePresets applies the project file and the environment to the flags of cmd.
func (g *globalOptions) usePresets(cmd *cobra.Command) error {
	if g.isolated || !takesPresets(cmd) {
		return nil
	}
	p, err := readPresets(cmd.Root())
	if err != nil {
		return err
	}
	all := p.of(cmd, os.Getenv)
	for _, q := range all {
		if q.refused != nil && !cmd.Flags().Changed(q.flag) {
			return wrongVariable(q.from, q.refused)
		}
	}
	if err := usePresets(cmd.Flags(), pathBelow(cmd.Root(), cmd), all); err != nil {
		return err
	}
	g.presets = all
	g.project = p.path
	return nil
}

// sayPresets says with --verbose where values come from.
func (g *globalOptions) sayPresets(cmd *cobra.Command) {
	if !g.verbose || g.isolated || !takesPresets(cmd) {
		return
	}
	if g.project == "" {
		g.printer.Note("no project file: no %s in the working folder or above it", project.Name)
	} else {
		g.printer.Note("project file %s", g.project)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if from := annotation(f, fromAnnotation); from != "" {
			g.printer.Note("--%s %s (%s)", f.Name, f.Value, from)
		}
	})
	for _, p := range g.presets {
		if p.unused != "" {
			g.printer.Note("%s has %s, which is not used: %s", p.from, p.flag, p.unused)
		}
	}
}

// sayAside notes a value of a flag that stands aside, where its lack shows in the result and
// --verbose has not said it.
func (g *globalOptions) sayAside(flag string) {
	for _, p := range g.presets {
		if p.unused != "" && p.flag == flag && !g.verbose {
			g.printer.Note("%s has %s, which is not used: %s", p.from, p.flag, p.unused)
		}
	}
}

// presetHints are hints about an error of cmd that is about a value which was not given,
// or about the lack of one that stood aside.
func (g *globalOptions) presetHints(cmd *cobra.Command, err error) []string {
	var hints []string
	message, differing := g.printer.Spelled(err.Error()), differingFlags(err)
	refused := errors.Is(err, cache.ErrExists) || errors.Is(err, cache.ErrStale) || errors.Is(err, usage.Err)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		from, value := annotation(f, fromAnnotation), f.Value.String()
		about := namesFlag(message, "--"+f.Name) || value != "" && pathOf(err) == value && !typed(cmd.Flags(), value)
		about = about || slices.Contains(differing, f.Name) || refused && f.Annotations[choicesAnnotation] != nil && (namesFlag(" "+message, " "+value) || strings.Contains(message, strconv.Quote(value)))
		if f.Name == "data-path" && value != "" { // of other images than those that something was made of
			about = about || strings.Contains(message, value) || errors.Is(err, cache.ErrStale)
		}
		if from != "" && about {
			hints = append(hints, fmt.Sprintf("--%s is from %s", f.Name, from))
		}
	})
	if errors.Is(err, usage.Err) {
		for _, p := range g.presets {
			if p.unused != "" && namesFlag(message, "--"+p.flag) {
				hints = append(hints, fmt.Sprintf("%s has %s, which is not used: %s", p.from, p.flag, p.unused))
			}
		}
	}
	return hints
}

// differingFlags are the flags that an artefact was made with other values of, as far as its
// manifest calls them by these names.
func differingFlags(err error) []string {
	var mismatch *cache.MismatchError
	if !errors.As(err, &mismatch) {
		return nil
	}
	var flags []string
	for _, d := range mismatch.Differences {
		name := strings.ReplaceAll(d.Field[strings.LastIndex(d.Field, ".")+1:], "_", "-")
		if d.Field == "origin.transformer.heads" {
			name = "vit-heads"
		}
		flags = append(flags, name)
	}
	return flags
}

// typed reports whether a value is one that the command line gives to a flag.
func typed(flags *pflag.FlagSet, value string) bool {
	found := false
	flags.Visit(func(f *pflag.Flag) { found = found || slices.Contains(valuesOf(f), value) })
	return found
}

// namesFlag reports whether a flag is a word of text.
func namesFlag(text, flag string) bool {
	for {
		at := strings.Index(text, flag)
		if at < 0 {
			return false
		}
		text = text[at+len(flag):]
		if text == "" || !strings.ContainsAny(text[:1], "-abcdefghijklmnopqrstuvwxyz") {
			return true
		}
	}
}
