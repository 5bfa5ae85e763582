package explain

import (
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/par"
)

// A placing splits what a target finds in an image by places. There is one for each kind of
// tower: in an attention pool the pairs are all that there is, and each place has its share
// of the class token, which is their mean; in a vision transformer all heads of all layers
// read places, and pairs only what neurons of one layer left there.
type placing interface {
	// whole fills in the image's places, and what belongs to none.
	whole(x *Explanation, s *seen)
	// pair fills in those of a pair.
	pair(p *Part, s *seen)
}

// newPlacing prepares for a target of the vector text [O].
func newPlacing(tower clip.PairTower, t *attribution.Target, text []float64, team par.Team) placing {
	if tokens := tower.Tokens(); tokens != nil {
		return tokenPlacing{tower, t, attribution.NewTokenMap(tokens, text, team)}
	}
	return poolPlacing{tower, t.Places(tower.Position(), team)}
}

type poolPlacing struct {
	tower  clip.PairTower
	places *attribution.Places
}

func (p poolPlacing) whole(x *Explanation, s *seen) {
	T := len(x.Places.Parts) + 1
	x.Places.Positions = make([]float64, T)
	p.places.Map(x.Places.Parts, x.Places.Positions, p.tower.Weights(s.out), p.tower.Neurons(s.out), s.factor, par.NewTeam(1))
	x.Places.Sum, x.Places.Position = attribution.Sum(x.Places.Parts), attribution.Sum(x.Places.Positions)
}

func (p poolPlacing) pair(part *Part, s *seen) {
	position := p.places.Pair(part.Places, part.Index, p.tower.Weights(s.out), p.tower.Neurons(s.out), s.factor)
	part.Position = &position
}

type tokenPlacing struct {
	tower  clip.PairTower
	target *attribution.Target
	tokens *attribution.TokenMap
}

func (p tokenPlacing) whole(x *Explanation, s *seen) {
	tokens := make([]float64, len(x.Places.Parts)+1)
	elsewhere := &Elsewhere{Pairs: x.Logit - x.Sum}
	elsewhere.MLPs = p.tokens.Map(tokens, s.out.Reads, s.out.MLPs, s.out.Statistics, s.factor)
	elsewhere.ClassToken = tokens[0]
	copy(x.Places.Parts, tokens[1:])
	x.Places.Sum, x.Elsewhere = attribution.Sum(x.Places.Parts), elsewhere
	// What no pair adds is what the pairs leave of the logit: rounding is in the sum of tokens.
	x.Sum = x.Places.Sum + elsewhere.ClassToken + elsewhere.MLPs
	x.Difference = x.Sum - x.Logit
}

func (p tokenPlacing) pair(part *Part, s *seen) {
	class := p.target.OwnPair(part.Places, part.Index, p.tower.Weights(s.out), p.tower.Neurons(s.out), s.factor)
	part.ClassToken = &class
}
