package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// A recipe is the command that makes a kind of artefact.
type recipe struct {
	command    string // up to the flag that takes the artefact's path
	restart    bool   // has --restart, without which one made from other inputs stays
	repairable bool   // "clipnh verify --repair" can compute damaged parts again
}

// recipes has a row for each kind of artefact.
var recipes = map[string]recipe{
	artefact.KindEmbeddings:      {"embed --embeddings-save-path", true, false},
	artefact.KindScores:          {"collect --save-path", true, true},
	artefact.KindPublished:       {"collect --form published --save-path", true, true},
	artefact.KindMeanScores:      {"collect --mean --save-path", true, true},
	artefact.KindDense:           {"collect --save-path", true, true},
	artefact.KindStatistics:      {"collect --stats-only --save-path", true, true},
	artefact.KindSummary:         {"collect --stats-only --no-features --save-path", true, true},
	artefact.KindHeads:           {"collect --mode heads --save-path", true, true},
	artefact.KindMeanHeads:       {"collect --mode heads --mean --save-path", true, true},
	artefact.KindMLPs:            {"collect --mode mlps --save-path", true, true},
	artefact.KindMeanMLPs:        {"collect --mode mlps --mean --save-path", true, true},
	artefact.KindTokens:          {"collect --mode tokens --save-path", true, true},
	artefact.KindMeanTokens:      {"collect --mode tokens --mean --save-path", true, true},
	artefact.KindClassParts:      {"collect --mode cls_attn --save-path", true, true},
	artefact.KindMeanClassParts:  {"collect --mode cls_attn --mean --save-path", true, true},
	artefact.KindImageFeatures:   {"collect --mode features --save-path", true, true},
	artefact.KindMeanFeatures:    {"collect --mode features --mean --save-path", true, true},
	artefact.KindAttention:       {"collect --mode attns --save-path", true, true},
	artefact.KindMeanAttention:   {"collect --mode attns --mean --save-path", true, true},
	artefact.KindActivations:     {"collect --mode neuron_acts --save-path", true, true},
	artefact.KindMeanActivations: {"collect --mode neuron_acts --mean --save-path", true, true},
	artefact.KindLayer4:          {"collect --mode layer4 --mean --save-path", true, true},
	artefact.KindSinkDrops:       {"registers --diff-save-path", true, true},
	artefact.KindMeanSinkDrops:   {"registers --diff-save-path", true, true},
	artefact.KindSinkChanges:     {"registers --mode contributions --diff-save-path", true, true},
	artefact.KindComponents:      {"svd --out-save-path", true, false},
	artefact.KindMeans:           {"svd --mean-save-path", true, false},
	artefact.KindNorms:           {"svd --norm-save-path", true, false},
	artefact.KindPolysemanticity: {"polysemanticity --scores-save-path", true, false},
	artefact.KindWordScores:      {"score --save-path", true, false},
	artefact.KindListing:         {"data list --save-path", true, false},
	artefact.KindMask:            {"mask --mask-save-path", true, false},
	artefact.KindFeatures:        {"reconstruct --features-save-path", true, false}, // or ablate
	artefact.KindCodes:           {"sparse --decomposition-save-path", true, false},
	artefact.KindUnfinishedCodes: {"sparse --decomposition-save-path", true, false},
	artefact.KindDescriptions:    {"sparse --descriptions-save-path", true, false},
	artefact.KindTextSpans:       {"textspan --save-path", true, false},
	artefact.KindSegmentation:    {"segment --save-path", true, false},
	artefact.KindProbabilities:   {"segment --probabilities-dir", true, false},
	artefact.KindRatios:          {"shift --save-path", true, false}, // of shards only
	artefact.KindCheckpoint:      {"edit --save-path", true, false},
	artefact.KindONNX:            {"export --save-path", true, false},
	artefact.KindONNXWeights:     {"export --save-path", true, false},
}

// readBy says which commands read what is no scores.
var readBy = map[string]string{
	artefact.KindHeads:         "of heads textspan finds texts and show images, and compare finds which differ; ablate, audit and report read what they add too, in --scores; retrieve and explain take --head-idxs and a model",
	artefact.KindMLPs:          "what MLPs add is read by ablate, audit and textspan, in --parts, beside heads",
	artefact.KindClassParts:    "what the class token adds is read by ablate, in --parts, beside heads",
	artefact.KindTokens:        "\"clipnh segment --method tokens\" labels pixels by tokens, from a model",
	artefact.KindImageFeatures: "image features are read by search, without --units, and by classify",
}

// withRecipe adds a hint to an error about an artefact that is missing, damaged or of
// another kind: how to make it. An error that has a hint is returned as it is.
func withRecipe(err error) error {
	var of *artefact.Error
	var cut *cache.IncompleteError
	var unread *cache.ManifestError
	var h hinter
	switch {
	case errors.As(err, &h):
		return err
	case errors.As(err, &cut):
		return hinted{err, remakeHint(cut.Path, cut.Manifest)}
	case errors.As(err, &unread):
		return hinted{err, unreadHint(unread)}
	case !errors.As(err, &of):
		return err
	}
	switch {
	case of.Damaged != nil:
		return hinted{err, remakeHint(of.Path, *of.Damaged)}
	case errors.Is(err, cache.ErrMissing):
		if r, known := recipes[of.Kind]; known {
			if shards, _ := shard.Beside(of.Path); len(shards) > 0 {
				return hinted{err, fmt.Sprintf("its shards are there: run %q first", "clipnh merge --save-path "+of.Path)}
			}
			if _, other := os.Stat(of.Path); other == nil { // such as a folder of images
				return hinted{err, fmt.Sprintf("give what \"clipnh %s\" wrote", r.command)}
			}
			return hinted{err, fmt.Sprintf("run %q first", r.line(of.Path))}
		}
	case artefact.IsShard(of.Kind):
		return hinted{err, `merge the shards first, with "clipnh merge"`}
	case of.Kind == artefact.KindPublished && strings.HasPrefix(recipes[of.Want].command, "collect"):
		return hinted{err, fmt.Sprintf("%q reads them and makes components, means and norms, which other commands read; for this one, collect with --form own", "clipnh svd --scores "+of.Path)}
	case of.Kind == artefact.KindMeanScores:
		return hinted{err, "collect without --mean"}
	case of.Want != "":
		if r, known := recipes[of.Want]; known {
			text := fmt.Sprintf("give what \"clipnh %s\" wrote", r.command)
			if by, known := readBy[of.Kind]; known && of.Want != "mean "+of.Kind {
				text += "\n" + by
			}
			return hinted{err, text}
		}
	}
	return err
}

// textsHints says which flags' texts are others than those of an artefact.
func textsHints(cmd *cobra.Command, e *cache.MismatchError) []string {
	if !slices.ContainsFunc(e.Differences, func(d cache.Difference) bool { return d.Field == "origin.texts_sha256" }) {
		return nil
	}
	var flags []string
	for _, name := range []string{"text-descs-list-path", "classes", "concepts"} {
		if f := cmd.Flags().Lookup(name); f != nil && isSet(f) {
			flags = append(flags, "--"+name)
		}
	}
	if flags == nil {
		return nil
	}
	return []string{"give the texts that the file was made with, in their order: " + strings.Join(flags, " or ")}
}

// line returns the command with the path of the artefact.
func (r recipe) line(path string) string { return fmt.Sprintf("clipnh %s %s", r.command, path) }

// unreadHint says how an artefact is made again whose manifest cannot be read: it takes
// another place, or that of the old one once this is removed, since nothing is replaced that
// nobody can tell.
func unreadHint(e *cache.ManifestError) string {
	r, known := recipes[artefact.WholeKind(e.Kind)]
	if !known || artefact.IsShard(e.Kind) {
		return fmt.Sprintf("remove %s with its manifest, and make it again with the command that wrote it", e.Path)
	}
	return fmt.Sprintf("remove %s with its manifest, and make it again: %q", e.Path, r.line(e.Path))
}

// recipeOf is how an artefact was made, as far as its manifest says so.
func recipeOf(m cache.Manifest) (recipe, bool) {
	r, known := recipes[artefact.WholeKind(m.Kind)]
	if m.Kind == artefact.KindFeatures && m.Origin.Mode != "" {
		r.command = m.Origin.Mode + " --features-save-path"
	}
	return r, known
}

// remakeHint says which command recreates the damaged artefact at path.
func remakeHint(path string, m cache.Manifest) string {
	r, known := recipeOf(m)
	if !known {
		return "make it again with the command that wrote it"
	}
	if m.Kind == artefact.KindProbabilities {
		path = filepath.Dir(path)
	}
	if export := m.Origin.Export; export != nil && export.Place == artefact.Beside {
		r.command, path = "export --weights beside --save-path", artefact.ModelOf(path)
	}
	if m.Kind == artefact.KindUnfinishedCodes {
		return "run the interrupted sparse command again, with --restart"
	}
	line := r.line(path)
	if r.restart {
		line += " --restart"
	}
	if s := m.Origin.Shard; s != nil {
		name, _, _ := strings.Cut(r.command, " ")
		of := shard.Recorded(s)
		line = fmt.Sprintf("clipnh %s --shard %s --restart", name, of)
		if of.Last > 0 {
			line = fmt.Sprintf("clipnh merge --shards %s --restart", of)
		}
	}
	if r.repairable || artefact.IsCollection(m) {
		return fmt.Sprintf("run %q, or make it again: %q", "clipnh verify --repair --model FILE --data-path DIR "+path, line)
	}
	return fmt.Sprintf("make it again: %q", line)
}
