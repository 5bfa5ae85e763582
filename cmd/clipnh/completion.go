package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file defines how a shell completes words. The values of a flag follow from its
// placeholder in the help: FILE is completed by files, DIR by folders, others by nothing,
// unless the flag is marked as having a fixed set of values (choices) or as naming assets
// (takesAsset).

// choicesAnnotation holds the values that a flag may have.
const choicesAnnotation = "choices"

// namesAnnotation holds names that a flag may have in place of a file.
const namesAnnotation = "names"

// textsType is the type of flags that take texts, a file of them among other things.
const textsType = "texts"

// choices marks a flag that has a fixed set of values.
func choices(fs *pflag.FlagSet, flag string, values ...string) {
	annotate(fs, flag, choicesAnnotation, values...)
}

// completeFlags sets up the completion of flags of a command.
func completeFlags(fs *pflag.FlagSet, cmd *cobra.Command) {
	fs.VisitAll(func(f *pflag.Flag) {
		if err := cmd.RegisterFlagCompletionFunc(f.Name, completionOf(f)); err != nil {
			panic(err) // registered twice
		}
	})
}

func completionOf(f *pflag.Flag) cobra.CompletionFunc {
	if values := f.Annotations[choicesAnnotation]; values != nil {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	if names := f.Annotations[namesAnnotation]; names != nil {
		return cobra.FixedCompletions(names, cobra.ShellCompDirectiveDefault)
	}
	if kind := annotation(f, assetAnnotation); kind != "" {
		return completeAssets(kind)
	}
	if f.Value.Type() == textsType {
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	}
	switch placeholder, _ := pflag.UnquoteUsage(f); placeholder {
	case "FILE", "PATH":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	case "DIR":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	}
	return cobra.NoFileCompletions
}

// completes reports whether the shell asks for completions, with the hidden command of
// cobra's.
func completes(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// completeAll sets up the completion of all flags of a command and of those below it.
// Cobra keeps what is registered in a variable of its own, with all that the flags lead
// to, so this is done only when a shell asks. Cobra shows usages as they are, so the
// quotes around placeholders, which mean something to help only, are removed.
func completeAll(cmd *cobra.Command) {
	for _, fs := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		completeFlags(fs, cmd)
		fs.VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	}
	for _, below := range cmd.Commands() {
		completeAll(below)
	}
}

// completeAssets completes names of assets of a kind, or of every kind if it is empty;
// and, for a kind, files.
func completeAssets(kind string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveDefault
		if kind == "" {
			directive = cobra.ShellCompDirectiveNoFileComp
		}
		store, err := openStore()
		if err != nil {
			return nil, directive
		}
		var names []string
		for _, a := range store.Assets() {
			if (kind == "" || a.Kind == kind) && strings.HasPrefix(a.Name, word) {
				names = append(names, cobra.CompletionWithDesc(a.Name, a.File))
			}
		}
		return names, directive
	}
}
