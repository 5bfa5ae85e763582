package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// synonyms are flags by names that others may give them, without a final s: of those of a command
// that are in the list, the first.
var synonyms = map[string][]string{
	"text":       {"text", "classes", "concepts", "text-descs-list-path"},
	"label":      {"classes", "labels-csv"},
	"prompt":     {"templates"},
	"pair":       {"pairs", "remove"},
	"head":       {"head-idxs", "remove"},
	"neuron":     {"neur-idxs", "remove"},
	"unit":       {"pairs", "remove"},
	"checkpoint": {"model"},
	"ckpt":       {"model"},
	"weight":     {"model"},
	"photo":      {"data-path", "image"},
	"input":      {"data-path", "scores", "image"},
	"folder":     {"data-path"},
	"path":       {"data-path", "image"},
	"collection": {"scores"},
	"cache":      {"scores"},
	"component":  {"pcs-path"},
	"pc":         {"pcs-path"},
	"worker":     {"threads"},
	"job":        {"threads"},
	"cpu":        {"threads"},
	"overwrite":  {"restart"},
	"resolution": {"max-pixels"},
	"port":       {"listen"},
	"host":       {"listen"},
	"bind":       {"listen"},
	"address":    {"listen"},
}

// outputNames are what others call the flag of what a command writes, which has the letter o.
var outputNames = []string{"out", "output", "save", "save-to", "destination", "dest", "file"}

// meantFlags returns the flag of fs whose meaning a name has that fs does not know; none where that
// is not in the tables.
func meantFlags(fs *pflag.FlagSet, name string) []string {
	name = strings.ReplaceAll(name, "_", "-")
	short, _, _ := strings.Cut(strings.TrimSuffix(name, "s"), "-path")
	for _, flag := range synonyms[short] {
		if f := fs.Lookup(flag); f != nil && !f.Hidden {
			return []string{"--" + flag}
		}
	}
	short = strings.TrimSuffix(strings.TrimSuffix(name, "-path"), "-dir")
	if slices.Contains(outputNames, short) || strings.HasSuffix(short, "-save") {
		if f := fs.ShorthandLookup("o"); f != nil {
			return []string{"--" + f.Name}
		}
	}
	return nil
}
