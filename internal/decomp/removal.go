package decomp

import "github.com/clipnh/clipnh/internal/par"

// A Removal takes pairs out of features, as an edit of the weights does: what pair u adds
// is, for every image, what its mean score m[u] adds, or nothing,
//
//	feature - Σ_u (s[u] - m[u])·v[u]
type Removal struct {
	Pairs      []int     // h*C+n, none twice
	Means      []float64 // m of these pairs; nil: zero
	directions []float32 // v, [n,O]
}

// NewRemoval returns the removal of pairs h*C+n, none of them twice. means [H,C] are mean
// scores; without, the pairs add nothing.
func (p *OV) NewRemoval(pairs []int, means []float64) *Removal {
	r := &Removal{Pairs: pairs, directions: make([]float32, len(pairs)*p.OutDim)}
	for i, u := range pairs {
		p.Directions(r.directions[i*p.OutDim:(i+1)*p.OutDim], u/p.Neurons, u%p.Neurons, u%p.Neurons+1, par.NewTeam(1))
		if means != nil {
			r.Means = append(r.Means, means[u])
		}
	}
	return r
}

// Beyond is how far score is from what takes the place of pair Pairs[i]'s.
func (r *Removal) Beyond(i int, score float32) float64 {
	if r.Means == nil {
		return float64(score)
	}
	return float64(score) - r.Means[i]
}

// Directions are those of the pairs, [n,O]: the removal's own slice.
func (r *Removal) Directions() []float32 { return r.directions }

// Feature writes the feature [O] of an image with scores [H,C] without the pairs to dst.
// It may be feature itself.
func (r *Removal) Feature(dst, feature, scores []float32) {
	O := len(dst)
	sum := make([]float64, O)
	for i, u := range r.Pairs {
		s := r.Beyond(i, scores[u])
		for o, v := range r.directions[i*O : (i+1)*O] {
			sum[o] += s * float64(v)
		}
	}
	for o := range dst {
		dst[o] = float32(float64(feature[o]) - sum[o])
	}
}
