package attribution

import "github.com/clipnh/clipnh/internal/par"

// Places splits a target's logit by where in the image it comes from.
//
// A score reads tokens, s[h,n] = Σ_m a[h,m]·x[m,n]. Those of places are x[m] = z[m] +
// p[m], the map and the position embedding, and the class token is x[0] = mean z +
// p[0]. Its share of z belongs to the places that it is the mean of, so place m adds
//
//	100/|f| · Σ_h (a[h,m] + a[h,0]/M) · (z[m]·product[h])
//
// with product[h] = v[h,·]·t, and no pair is visited. The position embedding adds
// 100/|f| · Σ_h a[h,m]·(p[m]·product[h]), which is not in the image: it belongs to no
// place. Places, positions and the constant sum to the logit.
type Places struct {
	target    *Target
	position  []float32 // p, [T,C]
	positions []float64 // p[m]·product[h], [T,H]
}

// Places prepares a target for the position embedding [T,C] of a tower.
func (t *Target) Places(position []float32, team par.Team) *Places {
	p := &Places{target: t, position: position, positions: make([]float64, len(position)/t.Neurons*t.Heads)}
	t.tokenProducts(p.positions, position, team)
	return p
}

// tokenProducts writes x[m]·product[h] of tokens [T,C] to dst [T,H].
func (t *Target) tokenProducts(dst []float64, tokens []float32, team par.Team) {
	H, C := t.Heads, t.Neurons
	team.For(len(tokens)/C, func(lo, hi, _ int) {
		x := make([]float64, C)
		for m := lo; m < hi; m++ {
			for n, v := range tokens[m*C : (m+1)*C] {
				x[n] = float64(v)
			}
			for h := range H {
				dst[m*H+h] = dot(x, t.Products[h*C:(h+1)*C])
			}
		}
	})
}

// dot is x·y, in four sums that do not wait for each other.
func dot(x, y []float64) float64 {
	var a, b, c, d float64
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += x[i] * y[i]
		b += x[i+1] * y[i+1]
		c += x[i+2] * y[i+2]
		d += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		a += x[i] * y[i]
	}
	return (a + b) + (c + d)
}

// Map writes what every place adds to the logit of an image to places [M], and what
// the position embedding of every token adds to positions [T]. attention [H,T] is the
// class token's, tokens [T,C] have the position embedding added, and factor is that of
// the image's feature. Unless it is nil, heads [H,T] takes the same by head: first what the
// position embedding of all tokens adds by it, then what every place does. The rows sum to the
// parts of heads; see ByHead.
func (p *Places) Map(places, positions, heads []float64, attention, tokens []float32, factor float64, team par.Team) {
	H, T := p.target.Heads, len(positions)
	products := make([]float64, T*H)
	p.target.tokenProducts(products, tokens, team)
	clear(heads)
	for m := range T {
		own, bare := 0.0, 0.0
		for h := range H {
			a, position := float64(attention[h*T+m]), p.positions[m*H+h]
			bare += a * position
			if heads != nil {
				heads[h*T] += factor * a * position
			}
			if m > 0 {
				a += float64(attention[h*T]) / float64(T-1)
				part := a * (products[m*H+h] - position)
				own += part
				if heads != nil {
					heads[h*T+m] = factor * part
				}
			}
		}
		positions[m] = factor * bare
		if m > 0 {
			places[m-1] = factor * own
		}
	}
}

// Pair writes what every place adds to pair h*C+n's part to places [M], and returns
// what the position embedding adds; see Map.
func (p *Places) Pair(places []float64, pair int, attention, tokens []float32, factor float64) float64 {
	C, T := p.target.Neurons, len(places)+1
	row, n := attention[pair/C*T:][:T], pair%C
	factor *= p.target.Products[pair]
	mean := float64(row[0]) / float64(T-1)
	bare := 0.0
	for m, a := range row {
		position := float64(p.position[m*C+n])
		bare += float64(a) * position
		if m > 0 {
			places[m-1] = factor * (float64(a) + mean) * (float64(tokens[m*C+n]) - position)
		}
	}
	return factor * bare
}
