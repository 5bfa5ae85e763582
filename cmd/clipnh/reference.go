package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// This file has the names of the published Python scripts, so that their command lines
// work when "python x.py" becomes "clipnh x". Names of flags that differ from ours are in
// otherNames.

// scriptNames are the reference's scripts by the command that does the same.
var scriptNames = map[string]string{
	"embed":     "text_set_projection",
	"collect":   "collection",
	"svd":       "svd_over_dataset",
	"sparse":    "sparse_decomposition",
	"mask":      "get_masks",
	"ablate":    "ablation",
	"registers": "find_registers",
	"retrieve":  "subconcept",
	"segment":   "eval",
	"shift":     "distribution_shift",
}

// scriptFlags are flags of the reference that are not needed here, and why.
var scriptFlags = map[string]string{
	"model-name":  "leave out --model_name: the files that are read name their model",
	"device":      "leave out --device: clipnh runs on the CPU, see --threads",
	"num-heads":   "leave out --num-heads: the checkpoint has their number",
	"num-blocks":  "leave out --num-blocks: the checkpoint has their number",
	"load":        "leave out --load: what is already computed is found by its manifest",
	"show-hist":   "leave out --show-hist: polysemanticity and ablate draw with --plot",
	"extra-token": "leave out --extra-token: zero_register_neurons adds no token",
	"work-dir":    "leave out --work-dir: results go to standard output",
	"launcher":    "leave out --launcher: machines share work with --shard",
}

// scriptHint returns the command that stands for a Python script, or for python itself;
// empty for other names.
func scriptHint(root *cobra.Command, name string) string {
	if name == "python" || name == "python3" {
		return `leave out "` + name + `": "clipnh collection" runs the command that does what collection.py does`
	}
	script, found := strings.CutSuffix(name, ".py")
	if !found {
		return ""
	}
	script = script[strings.LastIndexAny(script, `/\`)+1:]
	cmd, _, err := root.Find([]string{script})
	if err != nil || cmd == root {
		return ""
	}
	return `"` + cmd.CommandPath() + `" does what ` + name + ` does, with the same flags`
}
