package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// spacedFlags are flags whose values argparse takes as several words, --neur_idxs 3 5.
var spacedFlags = []string{"neur-idxs", "percentile", "shape"}

// joined returns args with the numbers after one of spacedFlags as one word, with commas
// between them, as the flag takes them.
func joined(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		out = append(out, args[i])
		if args[i] == "--" {
			return append(out, args[i+1:]...)
		}
		name, _, valued := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		if !strings.HasPrefix(args[i], "--") || valued || !slices.Contains(spacedFlags, string(dashes(nil, name))) || i+1 == len(args) {
			continue
		}
		i++
		value := args[i]
		for many := isNumber(value); many && i+1 < len(args) && isNumber(args[i+1]); i++ {
			value += "," + args[i+1]
		}
		out = append(out, value)
	}
	return out
}

// mistyped returns an error for what would be taken for something else: the name of a flag
// with one dash, as in -model FILE, which would be -m with the value odel; and a flag in place
// of the value of another. It returns the command that the arguments name too.
func mistyped(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, rest, err := root.Find(args)
	if err != nil || completes(args) {
		return cmd, nil
	}
	if err := flagAsValue(cmd, rest); err != nil {
		return cmd, err
	}
	for i, arg := range rest {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if len(name) < 3 || name[0] == '-' || arg[0] != '-' || i > 0 && takesValue(cmd, rest[i-1]) {
			continue
		}
		if lookup(cmd, string(dashes(cmd.Flags(), name))) != nil {
			err := fmt.Errorf("unknown flag -%s", name)
			return cmd, hinted{usageError{err}, didYouMean([]string{"--" + name})}
		}
	}
	return cmd, nil
}

// flagAsValue returns an error if a flag without its value is followed by another flag of the
// command, which would be taken for that value.
func flagAsValue(cmd *cobra.Command, args []string) error {
	for i := 0; i+1 < len(args) && args[i] != "--"; i++ {
		if !takesValue(cmd, args[i]) {
			continue
		}
		flag := args[i]
		i++
		long, isLong := strings.CutPrefix(args[i], "--")
		name, _, _ := strings.Cut(long, "=")
		if name == "" || !isLong || lookup(cmd, string(dashes(cmd.Flags(), name))) == nil {
			continue
		}
		err := usageError{fmt.Errorf("%s needs a value, found --%s", flag, name)}
		if !strings.HasPrefix(flag, "--") {
			return err
		}
		return hinted{err, fmt.Sprintf("if the value is really that, give it after =, as in %s=--%s", flag, name)}
	}
	return nil
}

// takesValue reports whether arg is a flag whose value is the next argument.
func takesValue(cmd *cobra.Command, arg string) bool {
	var f *pflag.Flag
	if name, isLong := strings.CutPrefix(arg, "--"); isLong {
		f = lookup(cmd, string(dashes(cmd.Flags(), name)))
	} else if len(arg) == 2 && arg[0] == '-' {
		f = cmp.Or(cmd.Flags().ShorthandLookup(arg[1:]), cmd.Root().PersistentFlags().ShorthandLookup(arg[1:]))
	}
	return f != nil && f.NoOptDefVal == ""
}

func isNumber(word string) bool {
	_, err := strconv.ParseFloat(word, 64)
	return err == nil
}
