package main

// This file knows the names of the published Python scripts, so that a command
// line of theirs works when "python x.py" becomes "clipnh x". Names of flags that
// differ from ours are in otherNames.

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

// scriptFlags are flags of the reference that have nothing to say here, and why.
var scriptFlags = map[string]string{
	"model-name":  "the files that it reads say which model they are of: leave --model_name out",
	"device":      "clipnh computes on the processor: leave --device out, and see --threads",
	"num-heads":   "heads are counted in the checkpoint: leave --num-heads out",
	"num-blocks":  "blocks are counted in the checkpoint: leave --num-blocks out",
	"load":        "what was computed before is found by its manifest: leave --load out",
	"show-hist":   "leave --show-hist out: polysemanticity and ablate draw with --plot",
	"extra-token": "leave --extra-token out: zero_register_neurons adds no token",
	"work-dir":    "results go to standard output: leave --work-dir out",
	"launcher":    "many machines share work by --shard: leave --launcher out",
}
