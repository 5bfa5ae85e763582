package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
)

// insteadHint says of a path that is there, and that an error is about, what it is or holds
// in place of what was wanted; empty where that is not known.
func insteadHint(cmd *cobra.Command, fault error, path string) string {
	info, err := os.Stat(path)
	if path == "" || err != nil || !info.IsDir() {
		return ""
	}
	a, err := cache.Open(path)
	var h hinter
	model, scores := cmd.Flags().Lookup("model"), cmd.Flags().Lookup("scores")
	switch {
	case model != nil && isSet(model) && model.Value.String() == path && err == nil:
		return fmt.Sprintf("%s holds %s, no checkpoint", path, a.Manifest.Kind)
	case model != nil && isSet(model) && model.Value.String() == path && !errors.As(fault, &h):
		return checkpointsIn(path)
	case err == nil && scores != nil && !isSet(scores) && artefact.IsCollection(a.Manifest) && isArgument(cmd, path):
		return fmt.Sprintf("%s holds %s that collect wrote, not images: give it as --scores", path, a.Manifest.Kind)
	}
	return ""
}

// unitsHint says which flag takes components that were given to the one of other units, or how those
// that are wanted are made.
func unitsHint(cmd *cobra.Command, err error) string {
	var other artefact.OtherUnits
	if !errors.As(err, &other) {
		return ""
	}
	given, takes, units := "pcs-path", "neuron-pcs-path", "neurons"
	if other.Pairs {
		given, takes, units = takes, given, "pairs"
	}
	f := cmd.Flags().Lookup(given)
	if f == nil || f.Value.String() != other.Path() {
		return ""
	}
	if cmd.Flags().Lookup(takes) == nil {
		return fmt.Sprintf("--%s takes what \"clipnh svd\" writes: with --mode nh those of pairs, with --mode n those of neurons", given)
	}
	return fmt.Sprintf("components of %s are what --%s takes", units, takes)
}

// isArgument reports whether a path was given where images are wanted: without a flag, or as
// --data-path.
func isArgument(cmd *cobra.Command, path string) bool {
	var given []string
	if strings.Contains(cmd.Use, " IMAGE...") {
		given = cmd.Flags().Args()
	}
	if f := cmd.Flags().Lookup("data-path"); f != nil {
		given = append(given, f.Value.String())
	}
	for _, arg := range given {
		if arg != "" && filepath.Clean(arg) == filepath.Clean(path) {
			return true
		}
	}
	return false
}

// checkpointsIn names the files of a folder that may be checkpoints, the first few.
func checkpointsIn(dir string) string {
	const most = 5
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var found []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".pt", ".pth", ".bin", ".safetensors", ".ckpt":
			if !e.IsDir() {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	switch n := len(found); {
	case n == 0:
		return fmt.Sprintf("no file in %s has the name of a checkpoint, such as .pt or .safetensors", dir)
	case n > most:
		return fmt.Sprintf("give one of its files: %s and %d more", strings.Join(found[:most], ", "), n-most)
	}
	return "give one of its files: " + strings.Join(found, ", ")
}

var numbered = regexp.MustCompile(`^(.*?)([0-9]+)([^0-9]*)$`)

// archived are the names of archives and Parquet files.
var archived = regexp.MustCompile(`(?i)\.(tar|tar\.gz|tgz|zip|parquet)$`)

// expandedHint is the advice where the shell has replaced a pattern of archives by their names, the
// first of which is a data path and the others are arguments; empty if it has not.
func expandedHint(dataPath string, args []string) string {
	files := append([]string{dataPath}, args...)
	if slices.ContainsFunc(files, func(file string) bool { return !archived.MatchString(file) }) {
		return ""
	}
	pattern := numbers(files)
	if pattern == "" {
		pattern = "{" + strings.Join(files, ",") + "}"
	}
	return fmt.Sprintf("the shell has replaced a pattern: put it in quotes, %q", pattern)
}

// patternHint says how the files that a pattern with * or ? stands for are given: archives with
// braces, images by their folder.
func patternHint(pattern string) string {
	const rule = "* and ? are not replaced here: "
	files, err := filepath.Glob(pattern) // sorted
	switch {
	case err != nil || len(files) == 0:
		return rule + "give a folder, or name archives with braces, as shards/{000..012}.tar"
	case !dataset.IsArchive(files[0]):
		return rule + "give the folder, " + filepath.Dir(pattern)
	}
	if span := numbers(files); span != "" {
		return rule + "name the archives with braces, " + span
	}
	return rule + "name the archives with braces, {" + strings.Join(files, ",") + "}"
}

// numbers is the pattern with braces of files whose names differ in one number that counts
// up; empty if they are others.
func numbers(files []string) string {
	first := numbered.FindStringSubmatch(files[0])
	if first == nil {
		return ""
	}
	last, from := first, 0
	for i, file := range files {
		m := numbered.FindStringSubmatch(file)
		if m == nil || m[1] != first[1] || m[3] != first[3] || len(m[2]) != len(first[2]) {
			return ""
		}
		n, err := strconv.Atoi(m[2])
		if i == 0 {
			from = n
		}
		if err != nil || n != from+i {
			return ""
		}
		last = m
	}
	return first[1] + "{" + first[2] + ".." + last[2] + "}" + first[3]
}
