package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// otherNames are the names of the reference for flags that have another name here.
var otherNames = map[string]string{
	"model-name":                "model",          // every script
	"num-top-norms":             "top-images",     // polysemanticity.py
	"norm-out-path":             "norm-save-path", // svd_over_dataset.py; its README has ours
	"neuron-norms-path":         "neurons-norms-path",
	"cars-root":                 "data-path",                  // distribution_shift.py
	"refined-cars-csv":          "colours-csv",                // distribution_shift.py
	"text-desc-embeddings-path": "text-descs-embeddings-path", // its README; sparse_decomposition.py has ours
}

// inputNames are the names of the reference for what a command reads that another wrote,
// there called as that command's output, with ours. A command has the first of ours that it
// knows; one that writes the file keeps the name.
var inputNames = map[string][]string{
	"collect-save-path":       {"svd-scores", "scores"}, // svd_over_dataset.py
	"decomposition-save-path": {"codes"},                // reconstruction.py
}

// dashes makes --top_k_pca the same flag as --top-k-pca. fs may be nil, for no command.
func dashes(fs *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.ReplaceAll(name, "_", "-")
	for _, ours := range inputNames[name] {
		if fs != nil && fs.Lookup(ours) != nil {
			return pflag.NormalizedName(ours)
		}
	}
	if ours, ok := otherNames[name]; ok {
		name = ours
	}
	return pflag.NormalizedName(name)
}

// hide leaves flags out of the help: older names, which still work.
func hide(fs *pflag.FlagSet, flags ...string) {
	for _, flag := range flags {
		if err := fs.MarkHidden(flag); err != nil {
			panic(err) // no such flag
		}
	}
}

// noArgs refuses positional arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usageError{fmt.Errorf("unexpected argument %q", args[0])}
	if _, notBool := strconv.ParseBool(args[0]); notBool == nil {
		return hinted{err, fmt.Sprintf("give a switch its value after =, as in --flag=%s", strings.ToLower(args[0]))}
	}
	if f := cmd.Flags().Lookup("data-path"); f != nil && f.Changed {
		if hint := expandedHint(f.Value.String(), args); hint != "" {
			return hinted{err, hint}
		}
	}
	flag := flagForFile(cmd.Flags(), args[0])
	if flag == "" || flag == "model" {
		if a, e := cache.Open(args[0]); e == nil && a.Manifest.Kind != artefact.KindCheckpoint {
			text := fmt.Sprintf("%s holds %s, no checkpoint: %q checks it", args[0], a.Manifest.Kind, "clipnh verify "+args[0])
			if artefact.IsCollection(a.Manifest) {
				text += fmt.Sprintf(", %q says how much of it there is", "clipnh status "+args[0])
			}
			return hinted{err, text}
		}
	}
	if flag != "" {
		return hinted{err, fmt.Sprintf("files and folders are given with flags, such as --%s %s", flag, args[0])}
	}
	return err
}

// flagForFile returns the flag that a file or folder, given without one, may be meant for;
// empty if there is no such flag. What does not exist may be the folder to write.
func flagForFile(fs *pflag.FlagSet, path string) string {
	likely := []string{"dir"}
	if info, err := os.Stat(path); err == nil {
		likely = []string{"model", "pcs-path", "image"}
		if info.IsDir() || archived.MatchString(path) {
			likely = []string{"data-path", "scores", "dir"}
		}
	}
	for _, name := range likely {
		if fs.Lookup(name) != nil {
			return name
		}
	}
	return ""
}

// flagError rewords an error about a flag of cmd, and suggests flags that an unknown one
// may have meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name, given := unknown.GetSpecifiedName(), "--"+unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			name, given = short, "-"+short // perhaps -model for --model
		}
		err := usageError{fmt.Errorf("unknown flag %s", given)}
		if why, ok := scriptFlags[strings.ReplaceAll(name, "_", "-")]; ok {
			return hinted{err, why}
		}
		if meant := meantFlags(cmd.Flags(), name); len(meant) > 0 {
			return hinted{err, didYouMean(meant)}
		}
		takers := commandsTaking(cmd.Root(), name)
		switch meant := similarFlags(cmd.Flags(), name); {
		case len(meant) > 0 && (len(takers) == 0 || strings.HasPrefix(meant[0], "--"+name) || sameLetters(meant[0], "--"+name)):
			return hinted{err, didYouMean(meant)}
		case len(takers) > 0: // no mistake in typing: what is spelt like it is something else
			return hinted{err, fmt.Sprintf("--%s is a flag of other commands, such as %s", name, strings.Join(takers[:min(len(takers), 3)], ", "))}
		}
		return err
	case errors.As(err, &missing):
		return usageError{fmt.Errorf("--%s: no value, want %s", missing.GetFlag().Name, wanted(missing.GetFlag()))}
	case errors.As(err, &invalid):
		if item, want := wrongItem(invalid.GetFlag(), invalid.GetValue()); want != "" {
			return usageError{fmt.Errorf("--%s %s: %q, want %s", invalid.GetFlag().Name, invalid.GetValue(), item, want)}
		}
		return usageError{fmt.Errorf("--%s %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid.GetFlag()))}
	}
	return usageError{err}
}

// sameLetters reports whether two words differ in the order of their letters at most, as --form
// and --from do.
func sameLetters(a, b string) bool {
	sorted := func(word string) []byte {
		letters := []byte(word)
		slices.Sort(letters)
		return letters
	}
	return slices.Equal(sorted(a), sorted(b))
}

// wrongItem is the first item of a list of numbers that is none, and what is wanted in its
// place; that is empty if there is no such item, or the flag takes no list.
func wrongItem(f *pflag.Flag, list string) (item, want string) {
	items := strings.Split(list, ",")
	if len(items) < 2 {
		return "", ""
	}
	for _, item := range items {
		var err error
		want := "a whole number"
		switch item = strings.TrimSpace(item); f.Value.Type() {
		case "float64Slice":
			_, err = strconv.ParseFloat(item, 64)
			want = "a number"
		case "intSlice", "layers":
			_, err = strconv.Atoi(item)
		}
		if err != nil {
			return item, want
		}
	}
	return "", ""
}

// wanted describes the values of f: by type if that says enough, otherwise by its
// choices or the placeholder of its help.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "layers":
		return "a layer, 0 or more, or several, as 9,10"
	}
	if values := f.Annotations[choicesAnnotation]; values != nil {
		return strings.Join(values, " or ")
	}
	placeholder, _ := pflag.UnquoteUsage(f)
	return placeholder
}

// commandsTaking returns the commands below root that have a flag of this name in their help.
func commandsTaking(root *cobra.Command, name string) []string {
	var takers []string
	for _, cmd := range root.Commands() {
		if f := cmd.LocalNonPersistentFlags().Lookup(name); f != nil && !f.Hidden && !cmd.Hidden {
			_, path, _ := strings.Cut(cmd.CommandPath(), " ") // of "data list", both words
			takers = append(takers, path)
		}
		takers = append(takers, commandsTaking(cmd, name)...)
	}
	return takers
}

// similarFlags returns the flags that name may have meant: those that begin with it, or
// else those at the smallest edit distance, if that is small.
func similarFlags(fs *pflag.FlagSet, name string) []string {
	const maxEdits = 2
	name = strings.ReplaceAll(name, "_", "-")
	nearest := maxEdits
	var begin, near []string
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if strings.HasPrefix(f.Name, name) {
			begin = append(begin, "--"+f.Name)
		}
		switch d := hint.Edits(f.Name, name); {
		case d < nearest:
			near, nearest = nil, d
			fallthrough
		case d == nearest:
			near = append(near, "--"+f.Name)
		}
	})
	if len(begin) > 0 {
		near = begin
	}
	sort.Strings(near)
	return near
}

// parsePart parses --shard for a result at --save-path, a JSON file.
func parsePart(part, savePath string) (shard.Shard, error) {
	if savePath != "" && filepath.Ext(savePath) != ".json" {
		return shard.Shard{}, fmt.Errorf("--save-path %s: want a file that ends in .json", savePath)
	}
	if part == "" {
		return shard.Shard{}, nil
	}
	if savePath == "" {
		return shard.Shard{}, errors.New("--shard needs --save-path, next to which the part is written")
	}
	s, err := shard.Parse(part)
	if err != nil {
		err = fmt.Errorf("--shard %w", err)
	}
	return s, err
}
