package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// detailFlags adds the flags that say of a model what its weights do not.
func detailFlags(fs *pflag.FlagSet, d *model.Details) {
	fs.IntVar(&d.Heads, "vit-heads", 0, "`N` heads in each layer of a vision transformer (default those of published models, or of width 64)")
	fs.StringVar(&d.Activation, "activation", "", "`NAME` quick_gelu (OpenAI's) or gelu, in the blocks of transformers (default what the file suggests)")
	choices(fs, "activation", model.Activations()...)
}

func checkDetails(d model.Details) error {
	if d.Heads < 0 {
		return fmt.Errorf("--vit-heads %d: want 1 or more", d.Heads)
	}
	if d.Activation != "" && !slices.Contains(model.Activations(), d.Activation) {
		return fmt.Errorf("--activation %q: want %s", d.Activation, strings.Join(model.Activations(), " or "))
	}
	return nil
}
