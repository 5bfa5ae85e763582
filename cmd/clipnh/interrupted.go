package main

import "github.com/spf13/cobra"

// resuming says of commands what is kept of a run that was interrupted, where the error does
// not say it. The others start over.
var resuming = map[string]string{
	"clipnh collect":   "run the same command again to resume",
	"clipnh registers": "run the same command again to resume",
	"clipnh merge":     "run the same command again to resume",
	"clipnh sparse":    "run the same command again to resume: units that are done are kept",
	"clipnh fetch":     "run the same command again to resume: what was downloaded is kept",
	"clipnh report":    "run the same command again to resume: what is written is kept",
	"clipnh paper":     "run the same command again to resume: steps that are done are kept",
	"clipnh demo":      "run the same command again: collections that are done are kept, other steps are run again",
}

// againHint says what the command that was interrupted does if it is run again.
func againHint(cmd *cobra.Command) string {
	if text, ok := resuming[cmd.CommandPath()]; ok {
		return text
	}
	if repair := cmd.Flags().Lookup("repair"); repair != nil && repair.Changed {
		return "run the same command again to resume: what is repaired stays so"
	}
	if cmd.CommandPath() == "clipnh segment" && counted(cmd) {
		return "run the same command again to resume"
	}
	if shard := cmd.Flags().Lookup("shard"); shard != nil && shard.Changed {
		return "run the same command again to resume"
	}
	return "run the same command again: it starts over"
}

// counted reports whether segment keeps how far it is: with a path for counts, and nothing that
// is written for each image.
func counted(cmd *cobra.Command) bool {
	set := func(name string) bool { return cmd.Flags().Lookup(name).Value.String() != "" }
	return set("save-path") && !set("show-dir") && !set("save-dir") && !set("probabilities-dir")
}
