package explain

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// A placing splits what a target finds in an image by places. There is one for each kind of
// tower: in an attention pool the pairs are all that there is, and each place has its share
// of the class token, which is their mean; in a vision transformer all heads of all layers
// read places, and pairs only what neurons of one layer left there.
type placing interface {
	// whole fills in the image's places, and what belongs to none, and returns the same by head
	// [N,T], for each first what belongs to no place.
	whole(x *Explanation, s *seen) []float64
	// nowhere fills in what of a head's part belongs to no place.
	nowhere(m *HeadMap, part float64)
	// pair fills in those of a pair.
	pair(p *Part, s *seen)
}

// A removed pair is one that the target does without.
type removedPair struct {
	pair    int
	product float64 // that it had with the text
}

// newPlacing prepares for a target of the vector text [O], of which pairs are removed.
func newPlacing(tower clip.PairTower, t *attribution.Target, text []float64, removed []removedPair, team par.Team) placing {
	if tokens := tower.Tokens(); tokens != nil {
		_, heads := tower.Config().Layered()
		return tokenPlacing{tower, t, attribution.NewTokenMap(tokens, heads, text, team), removed}
	}
	return poolPlacing{tower, t.Places(tower.Position(), team)}
}

type poolPlacing struct {
	tower  clip.PairTower
	places *attribution.Places
}

func (p poolPlacing) whole(x *Explanation, s *seen) []float64 {
	T := len(x.Places.Parts) + 1
	x.Places.Positions = make([]float64, T)
	heads := make([]float64, p.tower.OV().Heads*T)
	p.places.Map(x.Places.Parts, x.Places.Positions, heads, p.tower.Weights(s.out), p.tower.Neurons(s.out), s.factor, par.NewTeam(1))
	x.Places.Sum, x.Places.Position = attribution.Sum(x.Places.Parts), attribution.Sum(x.Places.Positions)
	return heads
}

func (p poolPlacing) nowhere(m *HeadMap, part float64) { m.Position = &part }

func (p poolPlacing) pair(part *Part, s *seen) {
	position := p.places.Pair(part.Places, part.Index, p.tower.Weights(s.out), p.tower.Neurons(s.out), s.factor)
	part.Position = &position
}

type tokenPlacing struct {
	tower   clip.PairTower
	target  *attribution.Target
	tokens  *attribution.TokenMap
	removed []removedPair
}

func (p tokenPlacing) whole(x *Explanation, s *seen) []float64 {
	T, pairs := len(x.Places.Parts)+1, p.tower.Pairs()
	layers, each := p.tower.Config().Layered()
	heads, tokens := make([]float64, layers*each*T), make([]float64, T)
	p.tokens.Heads(heads, s.out.Reads, s.out.Statistics, s.factor)
	for _, r := range p.removed { // heads read them of the tokens all the same
		row := heads[(pairs.FirstLayer*each+r.pair/pairs.Neurons)*T:][:T]
		row[0] += p.target.AddOwn(row[1:], r.pair, p.tower.Weights(s.out), p.tower.Neurons(s.out), -s.factor*r.product)
	}
	attribution.SumHeads(tokens, heads)
	elsewhere := &Elsewhere{Pairs: x.Logit - x.Sum, ClassToken: tokens[0], MLPs: p.tokens.MLPs(s.out.MLPs, s.factor)}
	copy(x.Places.Parts, tokens[1:])
	x.Places.Sum, x.Elsewhere = attribution.Sum(x.Places.Parts), elsewhere
	// What no pair adds is what the pairs leave of the logit: rounding is in the sum of tokens.
	x.Sum = x.Places.Sum + elsewhere.ClassToken + elsewhere.MLPs + x.Constant // of means of removed pairs
	x.Difference = x.Sum - x.Logit
	return heads
}

func (p tokenPlacing) nowhere(m *HeadMap, part float64) { m.ClassToken = &part }

func (p tokenPlacing) pair(part *Part, s *seen) {
	class := p.target.OwnPair(part.Places, part.Index, p.tower.Weights(s.out), p.tower.Neurons(s.out), s.factor)
	part.ClassToken = &class
}

// heads are count of them from first on, which one label names.
type heads struct{ first, count int }

// allHeads are those that read places: of all layers, or of the attention pool.
func allHeads(c clip.Config) (names unit.Layers, count int) {
	if layers, each := c.Layered(); layers > 0 {
		return unit.Layers{Heads: each}, layers * each
	}
	return unit.Layers{}, c.Heads()
}

// findHeads finds the heads that are asked for, each label once.
func (o *Options) findHeads(c clip.Config) ([]heads, error) {
	names, all := allHeads(c)
	var found []heads
	for _, name := range o.Heads {
		first, count, err := names.FindHeads(name, all)
		if err != nil {
			return nil, err
		}
		if h := (heads{first, count}); !slices.Contains(found, h) {
			found = append(found, h)
		}
	}
	return found, nil
}

// headMaps are those of the heads that were asked for, or of the strongest. maps are of all
// heads, [N,T], each first with what belongs to no place.
func (e *explainer) headMaps(maps []float64, x *Explanation, p placing) HeadMaps {
	T := len(x.Places.Parts) + 1
	parts := make([]float64, len(maps)/T)
	for i := range parts {
		parts[i] = attribution.Sum(maps[i*T : (i+1)*T])
	}
	shown := e.heads
	if len(shown) == 0 {
		for i := range parts {
			shown = append(shown, heads{i, 1})
		}
		slices.SortStableFunc(shown, func(a, b heads) int { return cmp.Compare(math.Abs(parts[b.first]), math.Abs(parts[a.first])) })
		shown = shown[:min(e.o.Maps, len(shown))]
	}
	names, _ := allHeads(e.tower.Config())
	all, listed := HeadMaps{Maps: []HeadMap{}}, make([]bool, len(parts))
	for _, h := range shown {
		m, row := HeadMap{Head: names.HeadsName(h.first, h.count)}, make([]float64, T)
		attribution.SumHeads(row, maps[h.first*T:(h.first+h.count)*T])
		m.Part, m.Places = attribution.Sum(row), row[1:]
		if x.Logit != 0 {
			share := m.Part / x.Logit
			m.Share = &share
		}
		p.nowhere(&m, row[0])
		all.Maps = append(all.Maps, m)
		for i := range h.count {
			listed[h.first+i] = true
		}
	}
	for i, part := range parts {
		if listed[i] {
			all.Listed += part
		} else {
			all.Rest += part
			all.RestHeads++
		}
	}
	return all
}
