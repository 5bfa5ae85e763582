package main

import (
	"slices"
	"testing"
)

// withoutDetails are the commands that take a model but not what its weights do not say, with
// the reason.
var withoutDetails = map[string]string{
	"verify": "repairs with the details that each manifest has",
}

// withoutImages are the commands that take a model and read no images with it, or only those of
// commands that they run.
var withoutImages = []string{"embed", "mislead", "watch", "paper", "verify"}

// TestDetails holds that what a checkpoint does not say can be said in every command that
// opens one.
func TestDetails(t *testing.T) {
	for _, cmd := range everyCommand() {
		if f := cmd.Flags().Lookup("neuron-layer"); f != nil && f.DefValue != "" {
			t.Errorf("%s: --neuron-layer is %q where nothing is set", cmd.CommandPath(), f.DefValue)
		}
		for _, name := range []string{"image-mean", "image-std", "image-resize"} {
			if want := cmd.Flags().Lookup("model") != nil && !slices.Contains(withoutImages, cmd.Name()); (cmd.Flags().Lookup(name) != nil) != want {
				t.Errorf("%s: --%s is there %t, want %t", cmd.CommandPath(), name, !want, want)
			}
		}
		for _, name := range []string{"vit-heads", "activation"} {
			model, detail := cmd.Flags().Lookup("model") != nil, cmd.Flags().Lookup(name) != nil
			if f := cmd.Flags().Lookup(name); f != nil && f.DefValue != "" {
				t.Errorf("%s: --%s is %q where nothing is set", cmd.CommandPath(), name, f.DefValue)
			}
			if want := model && withoutDetails[cmd.Name()] == ""; detail != want {
				t.Errorf("%s: --model %t, --%s %t, want %t", cmd.CommandPath(), model, name, detail, want)
			}
		}
	}
}
