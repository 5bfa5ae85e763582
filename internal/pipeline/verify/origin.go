package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/origin"
)

// This file compares artefacts with what they were made from.

const (
	sameOrigin = "same"
	otherOne   = "other"
	notChecked = "not checked"
	sameSizes  = "same sizes" // and names, of images of which there are no checksums
)

// parentKinds are the kinds of artefact that are read in a role.
var parentKinds = map[string][]string{
	"contributions":   {artefact.KindScores, artefact.KindDense, artefact.KindStatistics, artefact.KindSummary},
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
// about the same images or texts, was made again since. Where those there are, are about
// others, nothing is known.
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
		p := Parent{Role: role, State: notChecked, Paths: []string{}}
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
			was, is := origin.Subjects[role], other.artefact.Manifest.Origin.Subject()
			if was != "" && is != "" && was != is {
				p.Strangers = append(p.Strangers, other.path)
				continue
			}
			p.State, p.Paths = otherOne, append(p.Paths, other.path)
		}
		if p.State != notChecked {
			p.Strangers = nil
		} else if len(p.Strangers) > 0 {
			of := "another collection"
			if strings.HasSuffix(artefact.Role(role), "embeddings") {
				of = "other texts"
			}
			v.say.Note("%s: its %s: made from %s than %s: not checked", f.path, role, of, strings.Join(p.Strangers, ", "))
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

func (v *verifier) stale(p Parent) string {
	var there []string
	for _, other := range v.found {
		if slices.Contains(p.Paths, other.path) {
			there = append(there, other.path)
		}
	}
	return fmt.Sprintf("made from other %s than %s", p.Role, strings.Join(there, ", "))
}
