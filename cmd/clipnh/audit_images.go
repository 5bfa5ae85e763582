package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/remote"
)

// This file finds out how the images that audit is about are given to collect.

// imageFlagsOf are the flags that name the images of what has origin o, as far as they are known.
func (o *auditOptions) imageFlagsOf(of origin.Origin) []string {
	path := cmp.Or(remote.Shown(o.from.Data.Path), collectedFrom(o.from.ScoresPath), o.otherData, "PATH")
	if i := of.Images; i != nil {
		flags := []string{"--dataset", i.Dataset, "--data-path", path}
		if i.LabelKey != "" {
			flags = append(flags, "--label-key", i.LabelKey)
		}
		return append(flags, readAs(i)...)
	}
	flags := []string{"--dataset", o.from.Data.Kind, "--data-path", path}
	if key := o.from.Data.LabelKey; key != "" {
		flags = append(flags, "--label-key", key)
	}
	if o.from.Stride > 1 {
		flags = append(flags, "--sample-stride", strconv.Itoa(o.from.Stride))
	}
	return flags
}

// standingAside is the path that a flag has in the project file or the environment, where that is
// not used in this command; empty where there is none.
func (g *globalOptions) standingAside(flag string) string {
	for _, p := range g.presets {
		if p.flag == flag && p.unused != "" && len(p.values) == 1 {
			path := p.values[0]
			if p.dir != "" && !filepath.IsAbs(path) && !remote.Named(path) {
				path = filepath.Join(p.dir, path)
			}
			return remote.Shown(path)
		}
	}
	return ""
}

// collectedFrom is the --data-path that shards of a collection were made with, by the command that
// is kept beside them; empty where none is, or several differ.
func collectedFrom(scores string) string {
	if scores == "" {
		return ""
	}
	var found []string
	for _, run := range []string{scores, artefact.RunOfLayer(scores)} {
		if run == "" {
			continue
		}
		for _, of := range shard.Told(run) {
			c := shard.CommandOf(run, of)
			if c == nil || len(c.Words) == 0 || c.Words[0] != "collect" {
				continue
			}
			path := valueIn(c.Words, "--data-path", "-d")
			if path != "" && !filepath.IsAbs(path) && !remote.Named(path) {
				path = filepath.Join(c.Folder, path)
			}
			found = append(found, path)
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) != 1 {
		return ""
	}
	return found[0]
}

// valueIn is the value of a flag in the words of a command line, the last where there are several.
func valueIn(words []string, names ...string) (value string) {
	for i, word := range words {
		name, after, joined := strings.Cut(word, "=")
		switch {
		case !slices.Contains(names, name):
		case joined:
			value = after
		case i+1 < len(words):
			value = words[i+1]
		}
	}
	return value
}
