package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/unit"
)

// pathHints say what a value may have meant that is a path, and no file is there.
func pathHints(cmd *cobra.Command, err error) []string {
	var units interface{ UnitName() string }
	if errors.Is(err, unit.ErrUnknown) && errors.As(err, &units) {
		if info, err := os.Stat(units.UnitName()); err == nil && info.Mode().IsRegular() {
			return []string{fmt.Sprintf("a file of units is given as @%s", units.UnitName())}
		}
		return nil
	}
	path := cmp.Or(pathOf(err), pathIn(cmd, err.Error()))
	if advice := insteadHint(cmd, err, path); advice != "" {
		return []string{advice}
	}
	if path == "" || !errors.Is(err, fs.ErrNotExist) && !isMissing(err) {
		return nil
	}
	archived, member, within := strings.Cut(path, "!")
	info, statErr := os.Stat(archived)
	switch {
	case within && member != "" && statErr == nil && info.Mode().IsRegular():
		return []string{fmt.Sprintf("images within an archive are not taken one by one: give the archive, %s, or unpack this one", archived)}
	case path == "-":
		return []string{"standard input is not read here; a file that is called - is ./-"}
	case strings.ContainsAny(filepath.Base(path), "*?"):
		return []string{patternHint(path)}
	case strings.HasPrefix(path, "~"):
		return []string{"~ stands for the home folder only where the shell replaces it, which it does at the beginning of a word: use $HOME"}
	case strings.HasPrefix(path, "@"):
		return []string{"the flag takes a file: leave out the @"}
	}
	if f := cmd.Flags().Lookup("templates"); f != nil && slices.Contains(valuesOf(f), path) && strings.Contains(path, " ") {
		return []string{"a template has {} where the text goes; a value without it is the path of a file"}
	}
	return nil
}

// maxNear is how many paths are named that may have been meant.
const maxNear = 3

// nearHints say which path a value may have meant where nothing is: one that differs by a slip of
// the keyboard in the first name that its folder does not have.
func nearHints(cmd *cobra.Command, err error, path string) []string {
	if path == "" || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, cache.ErrMissing) || !isGiven(cmd, path) {
		return nil
	}
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	dir, name, rest := filepath.Dir(path), filepath.Base(path), ""
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			break
		}
		if filepath.Dir(dir) == dir {
			return nil
		}
		dir, name, rest = filepath.Dir(dir), filepath.Base(dir), filepath.Join(name, rest)
	}
	entries, _ := os.ReadDir(dir) // sorted; of a fault those before it
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	var near []string
	for _, meant := range hint.Meant(name, names) {
		other := filepath.Join(dir, meant, rest)
		_, err := os.Stat(other)
		_, isManifest := strings.CutSuffix(meant, ".json")
		if masked := digits.ReplaceAllString; masked(meant, "0") == masked(name, "0") {
			continue // of what is numbered, the number was chosen
		}
		if err == nil && (!isManifest || strings.HasSuffix(name, ".json")) {
			near = append(near, other)
		}
	}
	if len(near) == 0 || len(near) > maxNear {
		return nil // of many, as shards have them, none is likelier than the others
	}
	return []string{didYouMean(near)}
}

var digits = regexp.MustCompile(`[0-9]`)

// isGiven reports whether a path is a value of a flag, after an @ too, or an argument.
func isGiven(cmd *cobra.Command, path string) bool {
	return len(flagsWith(cmd, path)) > 0 || slices.Contains(cmd.Flags().Args(), path)
}

// isMissing reports whether err is of an artefact that is not there.
func isMissing(err error) bool {
	var of *artefact.Error
	return errors.As(err, &of) && of.Damaged == nil
}

// pathIn returns the path that a message begins with, after the command's name, an option or
// what was done with the file: one that the command line names, or that is there, or an address. It is empty
// where there is none.
func pathIn(cmd *cobra.Command, message string) string {
	message = strings.TrimPrefix(message, nameOf(cmd)+": ") // there may be a file of this name
	for {
		before, after, more := strings.Cut(message, ": ")
		if !more {
			return ""
		}
		if isPath(cmd, before) {
			return withoutVerb(before)
		}
		if flag, value, ok := strings.Cut(before, " "); ok && strings.HasPrefix(flag, "--") {
			if f := cmd.Flags().Lookup(flag[2:]); f != nil && takesPath(f) {
				return value
			}
			return ""
		}
		message = after
	}
}

// isPath reports whether a part of a message is a path.
func isPath(cmd *cobra.Command, part string) bool {
	path := withoutVerb(part)
	named := slices.Contains(cmd.Flags().Args(), path)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		named = named || takesPath(f) && isSet(f) && slices.Contains(valuesOf(f), path)
	})
	_, err := os.Lstat(path)
	return named || err == nil || remote.Named(path) && !strings.Contains(path, " ")
}

// noFolder says what is wrong with a path on which there is a file where a folder is wanted,
// and names the flag of the command line whose value it is, if there is one.
func noFolder(cmd *cobra.Command, path string) string {
	file := path
	for dir := path; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			if !info.IsDir() {
				file = dir
			}
			break
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && takesPath(f) && slices.ContainsFunc(valuesOf(f), func(v string) bool { return v != "" && filepath.Clean(v) == file }) {
			flags = append(flags, "--"+f.Name+" ")
		}
	})
	text := file + ": a file, want a folder"
	if len(flags) == 1 {
		return flags[0] + text
	}
	return text
}

// withoutVerb is a part of a message without what was done with the file.
func withoutVerb(part string) string {
	for _, verb := range []string{"open ", "write ", "read ", "mkdir "} {
		part = strings.TrimPrefix(part, verb)
	}
	return part
}

// takesPath reports whether the values of a flag are paths.
func takesPath(f *pflag.Flag) bool {
	name, _ := pflag.UnquoteUsage(f)
	name = strings.TrimSuffix(name, ",...")
	return name == "FILE" || name == "PATH" || name == "DIR"
}

// mostName bounds the name of a file or folder, in bytes, on the usual file systems; mostShown is how
// much of a path is shown that is too long.
const (
	mostName  = 255
	mostShown = 60
)

// tooLong says what is wrong with a path that the system does not take, and names the flag of the
// command line whose value it is, or is beside.
func tooLong(cmd *cobra.Command, path string) string {
	flag, shown := "", path
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, v := range valuesOf(f) {
			v = strings.TrimPrefix(v, "@")
			if isSet(f) && v != "" && strings.HasPrefix(path, filepath.Clean(v)) && (flag == "" || len(v) > len(shown)) {
				flag, shown = "--"+f.Name+" ", v
			}
		}
	})
	longest := func(path string) (n int) {
		for name := range strings.SplitSeq(filepath.ToSlash(path), "/") {
			n = max(n, len(name))
		}
		return n
	}
	has, given := longest(path), longest(shown)
	if len(shown) > mostShown {
		shown = strings.ToValidUTF8(shown[:mostShown], "") + "..."
	}
	text := fmt.Sprintf("a name of %d bytes, want at most %d", has, mostName)
	switch {
	case has <= mostName:
		text = fmt.Sprintf("a path of %d bytes, which is longer than the system takes", len(path))
	case given <= mostName:
		text = fmt.Sprintf("one of its files would have a name of %d bytes, want at most %d", has, mostName)
	}
	return flag + shown + ": " + text
}
