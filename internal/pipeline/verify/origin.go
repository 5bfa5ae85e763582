package verify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// This file compares artefacts with what they were made from.

const (
	sameOrigin = "same"
	otherOne   = "other"
	NotChecked = "not checked"
	sameSizes  = "same sizes" // and names, of images of which there are no checksums
)

// parentKinds are the kinds of artefact that are read in a role.
var parentKinds = map[string][]string{
	"contributions":   {artefact.KindScores, artefact.KindPublished, artefact.KindDense, artefact.KindStatistics, artefact.KindSummary},
	"components":      {artefact.KindComponents},
	"embeddings":      {artefact.KindEmbeddings},
	"pair embeddings": {artefact.KindEmbeddings},
	"norms":           {artefact.KindNorms},
	"means":           {artefact.KindMeans, artefact.KindMeanActivations},
	"codes":           {artefact.KindCodes},
	"mask":            {artefact.KindMask},
	"sink drops":      {artefact.KindSinkDrops},
	"checkpoint":      {artefact.KindCheckpoint},
}

// parents looks for the artefacts that f was made from among those that were
// found, by their hashes. One that is not there, though others of its kind are that are
// about the same images or texts, and of the same model, was made again since. Where those
// there are, are about others, nothing is known.
func (v *verifier) parents(f *found) {
	var origin origin.Origin
	switch {
	case f.artefact != nil:
		origin = f.artefact.Manifest.Origin
	case f.unfinished != nil:
		origin = f.unfinished.Plan.Origin
	}
	roles := make([]string, 0, len(origin.Parents))
	for role := range origin.Parents {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	for _, role := range roles {
		p, strangers := Parent{Role: role, State: NotChecked, Paths: []string{}}, map[string][]string{}
		for _, other := range v.found {
			if other.artefact == nil || other == f {
				continue
			}
			if other.artefact.Hash() == origin.Parents[role] {
				p.State, p.Paths = sameOrigin, []string{other.path}
				break
			}
			if !slices.Contains(parentKinds[artefact.Role(role)], other.artefact.Manifest.Kind) {
				continue
			}
			if of := stranger(origin, role, other.artefact.Manifest.Origin); of != "" {
				p.Strangers = append(p.Strangers, other.path)
				strangers[of] = append(strangers[of], other.path)
				continue
			}
			p.State, p.Paths = otherOne, append(p.Paths, other.path)
		}
		if p.State != NotChecked {
			p.Strangers = nil
		} else {
			for _, of := range slices.Sorted(maps.Keys(strangers)) {
				v.say.Note("%s: its %s: made from %s than %s: not checked", f.path, role, of, strings.Join(strangers[of], ", "))
			}
		}
		f.Parents = append(f.Parents, p)
		if p.State == otherOne {
			f.wrong(StateStale, f.path, -1, v.stale(p))
			if f.Hint == "" && f.artefact != nil {
				f.Hint = v.Remake(f.path, f.artefact.Manifest)
			}
		}
	}
}

// stranger says what an artefact of some origin is of that one which was read in a role was not:
// other images or texts, or another model, or one that it does not know; empty where it may be that one, made again. An edited
// checkpoint is of the weights before its edit, which tells nothing.
func stranger(of origin.Origin, role string, other origin.Origin) string {
	if was, is := of.Subjects[role], other.Subject(); was != "" && is != "" && was != is {
		if strings.HasSuffix(artefact.Role(role), "embeddings") {
			return "other texts"
		}
		return "another collection"
	}
	layer, others := of.PairsLayer(), other.PairsLayer()
	switch {
	case artefact.Role(role) == "checkpoint":
	case of.Weights != "" && other.Weights != "" && !of.SameWeights(other):
		return "another model"
	case of.Weights != "" && other.Weights == "": // computed of another program's file
		return "perhaps another model"
	case of.Block != "" && other.Block != "" && of.Block != other.Block:
		return "another block"
	case layer != nil && others != nil && *layer != *others:
		return "another layer of neurons"
	}
	return ""
}

func (v *verifier) stale(p Parent) string {
	var there []string
	for _, other := range v.found {
		if slices.Contains(p.Paths, other.path) {
			there = append(there, other.path)
		}
	}
	return fmt.Sprintf("made from other %s than %s", p.Role, strings.Join(there, ", "))
}

// hasWeightsBeside reports whether f is a model in ONNX whose weights are in another file.
func hasWeightsBeside(f *found) bool {
	if f.artefact == nil || f.artefact.Manifest.Kind != artefact.KindONNX {
		return false
	}
	export := f.artefact.Manifest.Origin.Export
	return export != nil && export.Place == artefact.Beside
}

// weightsBeside looks whether the weights beside a model in ONNX are there, and are those
// that were written with it: neither file is of use without the other.
func (v *verifier) weightsBeside(f *found) {
	if !hasWeightsBeside(f) {
		return
	}
	path := artefact.WeightsBeside(f.path)
	i := slices.IndexFunc(v.found, func(other *found) bool { return other.path == path })
	weights := v.found[i] // add has added it
	if weights.artefact == nil || weights.State == StateDamaged {
		f.wrong(weights.State, f.path, -1, "its weights, "+path+", are "+weights.State)
	} else if err := weights.artefact.IsOf(artefact.KindONNXWeights, f.artefact.Manifest.Origin); err != nil {
		f.wrong(StateStale, f.path, -1, "its weights are those of another export: "+err.Error())
	}
	if f.State != StateSound && f.Hint == "" {
		f.Hint = v.Remake(f.path, f.artefact.Manifest)
	}
}

// featuresWithin looks whether scores of pairs that are a part of the features have the
// features that were collected with them.
func (v *verifier) featuresWithin(f *found) {
	if f.artefact == nil || f.State != StateSound || f.artefact.Manifest.Kind != artefact.KindScores || artefact.IsWhole(f.artefact) {
		return
	}
	s, err := new(artefact.Reader).WholeScoresOf(f.artefact)
	switch {
	case err == nil:
		s.Close()
		return
	case errors.Is(err, cache.ErrDamaged):
		return // they are an artefact of their own, which says so
	case errors.Is(err, artefact.ErrNoFeatures), errors.Is(err, cache.ErrMissing):
		f.wrong(StateMissing, f.path, -1, err.Error())
	case errors.Is(err, cache.ErrStale):
		f.wrong(StateStale, f.path, -1, err.Error())
	default:
		f.wrong(StateDamaged, f.path, -1, err.Error())
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		f.Hint = h.Hint()
	}
}
