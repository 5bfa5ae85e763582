package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everythingValues are values for flags in the folder of the examples, by flag or by
// command and flag; others have their default or, where that is empty, none.
var everythingValues = map[string]string{
	"model": "RN50x16.pt", "vocab": "bpe_simple_vocab_16e6.txt.gz", "templates": "templates.txt", "classes": "[dog, wolf]",
	"data-path": "photos", "dataset": "images", "scores": "caches/june", "pcs-path": "caches/pc0.npy", "neuron-pcs-path": "caches/pc0_n.npy",
	"means-path": "caches/means.npy", "codes": "caches/codes.npz", "text-descs-list-path": "30k.txt", "text-descs-embeddings-path": "caches/30k_embed.npy",
	"imagenet-zeroshot-path": "caches/classes.npy", "text-embeddings-path": "caches/words.npy", "lines": "30k.txt", "svd-scores": "caches/june",
	"pcs-paths": "[caches/pc0.npy]", "neuron-head-norms-path": "caches/norms.npy", "neurons-norms-path": "caches/norms_n.npy",
	"labels-csv": "groups.csv", "mislead labels-csv": "fish.csv", "groups-csv": "groups.csv", "group-column": "group", "image-column": "image", "label-column": "label",
	"colours-csv": "cars_refined/refined_train.csv", "colour-names": "[yellow]", "attributes": "imagenet/attributes.csv",
	"concepts": "[grass, snow]", "text": "yellow", "remove-text": "yellow", "reference": "caches/june", "watch": "caches/june",
	"pairs": "h3n149", "remove": "[h3n149]", "percentile": "90", "units-file": "units.txt", "class": "dog", "versus": "wolf", "unusual": "true",
	"config": "demo", "image": "photo.jpg", "neur-idxs": "\"149\"", "per-class": "true", "except": "true", "threads": "2",
	"embed lines": "words.txt", "mask percentile": "90", "scale": "[h2n7=0.5]", "replace-index-path": "caches/mask.npy",
	"verify dataset": "images", "words": "30k.txt",
}

// everythingSet is a project file that sets every flag of every command, and every shared
// one; what is written goes below everything.
func everythingSet() []string {
	root := newRootCommand(new(globalOptions))
	var lines []string
	for _, flag := range sharedFlags {
		for _, cmd := range commandsBelow(root) {
			if f := lookup(cmd, flag); f != nil && !f.Hidden {
				lines = append(lines, settingLine("", cmd, f)...)
				break
			}
		}
	}
	for _, cmd := range commandsBelow(root) {
		lines = append(lines, pathBelow(root, cmd)+":")
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !isTyped(pathBelow(root, cmd), f.Name) && f.Name != "neuron-layer" {
				lines = append(lines, settingLine("  ", cmd, f)...)
			}
		})
		if strings.HasSuffix(lines[len(lines)-1], ":") {
			lines = lines[:len(lines)-1]
		}
	}
	return lines
}

func settingLine(indent string, cmd *cobra.Command, f *pflag.Flag) []string {
	name := pathBelow(cmd.Root(), cmd)
	value, ok := everythingValues[name+" "+f.Name]
	if !ok {
		value, ok = everythingValues[f.Name]
	}
	switch {
	case ok:
	case isOutput(f.Name):
		value = filepath.Join("everything", strings.ReplaceAll(name, " ", "-")+"-"+f.Name)
		for _, ext := range []string{".npy", ".npz", ".json", ".png", ".safetensors", ".svg"} {
			if strings.Contains(f.Usage, ext) {
				value += ext
				break
			}
		}
	default:
		if value = strings.Trim(f.Value.String(), "[]"); value == "" {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s%s: %s", indent, f.Name, value)}
}

// isOutput reports whether a flag says where to write.
func isOutput(flag string) bool {
	return strings.HasSuffix(flag, "save-path") || slices.Contains([]string{"save-dir", "show-dir", "probabilities-dir", "out", "dir", "plot", "graph", "markdown-path", "man-path", "junit", "openmetrics"}, flag)
}
