package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/cache"
)

// staleHint says what an artefact is that does not fit: when and by which command it was
// written, and from which of the files beside it. Hashes alone tell nobody. It is empty where
// there is no finished artefact.
func staleHint(e *cache.MismatchError) string {
	a, err := cache.Open(e.Path)
	if err != nil {
		return ""
	}
	written, err := a.Written()
	if err != nil {
		return ""
	}
	text := fmt.Sprintf("%s was written %s", e.Path, written.Format("2006-01-02 15:04"))
	if r, known := recipeOf(a.Manifest); known {
		name, _, _ := strings.Cut(r.command, " ")
		text += fmt.Sprintf(" by %q", "clipnh "+name)
	}
	for _, d := range e.Differences {
		role, ok := strings.CutPrefix(d.Field, "origin.parents.")
		var hash string
		if !ok || json.Unmarshal([]byte(d.Made), &hash) != nil || hash == "" {
			continue
		}
		switch paths := besideWithHash(e.Path, hash); {
		case len(paths) == 1:
			text += fmt.Sprintf(", from %s", paths[0])
		case len(paths) > 1:
			text += fmt.Sprintf(", from %s (their contents are the same)", strings.Join(paths, " or "))
		default:
			text += fmt.Sprintf(", from %s that are not beside it any more", role)
		}
	}
	return text
}

// mostBeside bounds how many files beside an artefact are looked at.
const mostBeside = 500

// besideWithHash returns the artefacts in the folder of path whose manifest has a hash.
func besideWithHash(path, hash string) []string {
	entries, err := os.ReadDir(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return nil
	}
	var with []string
	for _, entry := range entries[:min(len(entries), mostBeside)] {
		name, isManifest := strings.CutSuffix(entry.Name(), ".json")
		if !isManifest && !entry.IsDir() {
			continue
		}
		other := filepath.Join(filepath.Dir(filepath.Clean(path)), name)
		if a, err := cache.Open(other); err == nil && a.Hash() == hash {
			with = append(with, other)
		}
	}
	return with
}

// sideHints say which inputs of the run are on the other side of a mismatch: of the weights,
// the images or the artefact that "this run uses", unless the message ends with that input.
// Hashes alone tell nobody.
func sideHints(cmd *cobra.Command, e *cache.MismatchError, message string) []string {
	d := e.Differences[0]
	what, known := map[string]string{
		"origin.weights_sha256": "the weights", "origin.tensors_sha256": "the weights", "origin.images.images_sha256": "the images",
	}[d.Field]
	role, parent := strings.CutPrefix(d.Field, "origin.parents.")
	var this string
	if !known && !parent || json.Unmarshal([]byte(d.This), &this) != nil || this == "" {
		return nil
	}
	var inputs []string
	named := func(path string) bool { return strings.HasSuffix(message, "("+path+")") } // by the error itself
	add := func(path, spelt string) {
		if named(path) {
			inputs = append(inputs, "")
			return
		}
		a, err := cache.Open(path)
		if err != nil || a.Path() == filepath.Clean(e.Path) {
			return
		}
		o := a.Manifest.Origin
		if parent && a.Hash() == this || d.Field == "origin.weights_sha256" && o.Weights == this || d.Field == "origin.tensors_sha256" && o.Tensors == this ||
			d.Field == "origin.images.images_sha256" && o.Images != nil && o.Images.SHA256 == this {
			inputs = append(inputs, spelt)
		}
	}
	for _, arg := range cmd.Flags().Args() {
		add(arg, arg)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !isSet(f) || !takesPath(f) || f.Name == "save-path" {
			return // what is written, also where an older run left something
		}
		for _, path := range valuesOf(f) {
			add(path, "--"+f.Name+" "+path)
		}
	})
	if slices.Contains(inputs, "") {
		return nil
	}
	if m := cmd.Flags().Lookup("model"); len(inputs) == 0 && what == "the weights" && m != nil && isSet(m) {
		inputs = []string{"--model " + m.Value.String()} // no artefact has them
	}
	if len(inputs) == 0 {
		return nil
	}
	if parent {
		return []string{fmt.Sprintf("the %s of this run: %s", role, strings.Join(inputs, ", "))}
	}
	return []string{fmt.Sprintf("this run uses %s of %s", what, strings.Join(inputs, ", "))}
}
