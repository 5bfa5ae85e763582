package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/artefact"
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
	path := pathOf(err)
	if path == "" || !errors.Is(err, fs.ErrNotExist) && !isMissing(err) {
		return nil
	}
	switch {
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

// isMissing reports whether err is of an artefact that is not there.
func isMissing(err error) bool {
	var of *artefact.Error
	return errors.As(err, &of) && of.Damaged == nil
}
