package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
)

// A recipe is the command that makes a kind of artefact.
type recipe struct {
	command    string // up to the flag that takes the artefact's path
	restart    bool   // replaces what is at the path only with --restart
	repairable bool   // "clipnh verify --repair" can compute damaged parts again
}

// shardKind is what the kind of a shard begins with; the kind of the whole follows.
const shardKind = "shard of "

// recipes has a row for each kind of artefact.
var recipes = map[string]recipe{
	"embeddings":       {"embed --embeddings-save-path", false, false},
	"scores":           {"collect --save-path", true, true},
	"mean scores":      {"collect --mean --save-path", true, true},
	"dense":            {"collect --save-path", true, true},
	"statistics":       {"collect --stats-only --save-path", true, true},
	"heads":            {"collect --mode heads --save-path", true, true},
	"mean heads":       {"collect --mode heads --mean --save-path", true, true},
	"attention":        {"collect --mode attns --save-path", true, true},
	"mean attention":   {"collect --mode attns --mean --save-path", true, true},
	"activations":      {"collect --mode neuron_acts --save-path", true, true},
	"mean activations": {"collect --mode neuron_acts --mean --save-path", true, true},
	"layer4":           {"collect --mode layer4 --mean --save-path", true, true},
	"sink drops":       {"registers --diff-save-path", true, true},
	"mean sink drops":  {"registers --diff-save-path", true, true},
	"sink changes":     {"registers --mode contributions --diff-save-path", true, true},
	"directions":       {"svd --out-save-path", false, false},
	"means":            {"svd --mean-save-path", false, false},
	"norms":            {"svd --norm-save-path", false, false},
	"polysemanticity":  {"polysemanticity --scores-save-path", false, false},
	"mask":             {"mask --mask-save-path", false, false},
	"features":         {"reconstruct --features-save-path", false, false}, // or ablate
	"codes":            {"sparse --decomposition-save-path", true, false},
	"coded units":      {"sparse --decomposition-save-path", true, false}, // unfinished codes
	"descriptions":     {"sparse --descriptions-save-path", true, false},
	"segmentation":     {"segment --save-path", true, false},
	"concept ratios":   {"shift --save-path", true, false}, // of shards only
}

// withRecipe adds to an error about an artefact that is missing or damaged how to make
// it, given its kind and path. Other errors, errors that have a hint and unknown kinds
// are returned as they are.
func withRecipe(err error, kind, path string) error {
	missing := errors.Is(err, cache.ErrMissing)
	var h hinter
	if !missing && !errors.Is(err, cache.ErrDamaged) || errors.As(err, &h) {
		return err
	}
	whole, shard := strings.CutPrefix(kind, shardKind)
	r, known := recipes[whole]
	if !known {
		return err
	}
	line := fmt.Sprintf("clipnh %s %s", r.command, path)
	switch {
	case shard:
		// Its path is that of the whole with the shard at the end, which --save-path does
		// not take.
		name, _, _ := strings.Cut(r.command, " ")
		if missing {
			return hinted{err, fmt.Sprintf("run the \"clipnh %s --shard\" of this shard first", name)}
		}
		return hinted{err, fmt.Sprintf("run the \"clipnh %s --shard\" of this shard again, with --restart", name)}
	case missing:
		return hinted{err, fmt.Sprintf("run %q first", line)}
	}
	if r.restart {
		line += " --restart"
	}
	hint := fmt.Sprintf("make it again: %q", line)
	if r.repairable {
		hint = fmt.Sprintf("run %q, or %s", "clipnh verify --repair --model FILE --data-path DIR "+path, hint)
	}
	return hinted{err, hint}
}
