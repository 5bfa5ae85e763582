package main

import (
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/remote"
)

// option matches the name of an option in braces: {restart}. Packages below the command
// line write options so in messages, because they do not know how flags are spelled.
var option = regexp.MustCompile(`\{([a-z][a-z0-9-]*)\}`)

// address matches an address, which messages show without what is secret in it.
var address = regexp.MustCompile(`(?i)https?://[^\s"'<>]*[^\s"'<>:;,.)]`)

// spelling returns a function that spells options in braces as flags of root and of the
// commands below it. Braces around anything else stay as they are.
func spelling(root *cobra.Command) func(string) string {
	names := map[string]bool{}
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		for _, fs := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
			fs.VisitAll(func(f *pflag.Flag) { names[f.Name] = true })
		}
		for _, below := range cmd.Commands() {
			add(below)
		}
	}
	add(root)
	return func(text string) string {
		text = address.ReplaceAllStringFunc(text, remote.Shown)
		return option.ReplaceAllStringFunc(text, func(braced string) string {
			if name := braced[1 : len(braced)-1]; names[name] {
				return "--" + name
			}
			return braced
		})
	}
}
