package omp

import "math"

// Stop is the reason why a pursuit ended.
type Stop uint8

const (
	// Full: the code has the requested number of atoms.
	Full Stop = iota
	// Weak: the squared correlation of the best atom with the residual is below
	// float32's epsilon. The signal cannot be described any better, or is zero.
	Weak
	// Repeated: the best atom is already in the support.
	Repeated
	// Dependent: the part of the best atom that is orthogonal to the support has
	// a squared norm of at most float32's epsilon, or the support has as many
	// atoms as there are dimensions.
	Dependent
)

var stops = [...]string{Full: "full", Weak: "weak", Repeated: "repeated", Dependent: "dependent"}

// String returns the reason in one word.
func (s Stop) String() string { return stops[s] }

// epsilon is float32's; the reference's rules compare with it.
const epsilon = 1.0 / (1 << 23)

// pursuit is the state of one signal's pursuit. All slices have their maximum length;
// of those over atoms, the first size elements are in use.
type pursuit struct {
	norm   float64   // |y|
	signal []float64 // y, [Dims]
	rest   []float64 // r = y - Σ coefs·atoms, [Dims]
	length float64   // |r|

	full    int // K
	size    int
	support []int32
	places  []int32   // position of support[i] when it was chosen; see place
	chol    []float64 // rows of the Cholesky factor L of the support's Gram matrix, packed
	z       []float64 // L⁻¹ Xᵀy
	coefs   []float64 // L⁻ᵀ z

	spread  float64 // the signal's Σ |coordinate|·|basis vector| / |y|, or 1; see gram
	running bool
	stop    Stop
}

// pursuitBytes returns the approximate memory of a pursuit.
func pursuitBytes(dims, atoms int) int {
	atoms = min(atoms, dims)
	return 16*dims + 4*atoms*(atoms+7) + 200
}

// newPursuits allocates the pursuits of n signals.
func newPursuits(n, dims, atoms int) []pursuit {
	ps := make([]pursuit, n)
	full := atoms
	atoms = min(atoms, dims) // more cannot be independent
	for i := range ps {
		ps[i] = pursuit{
			full:   full,
			signal: make([]float64, dims), rest: make([]float64, dims),
			support: make([]int32, atoms), places: make([]int32, atoms),
			chol: make([]float64, atoms*(atoms+1)/2), z: make([]float64, atoms), coefs: make([]float64, atoms),
		}
	}
	return ps
}

// start resets p to begin with signal i.
func (p *pursuit) start(s *Signals, i int) {
	p.norm = s.expand(p.signal, i)
	copy(p.rest, p.signal)
	p.length, p.size, p.stop = p.norm, 0, Full
	p.running = true
}

// place returns the position of a word in scikit-learn's order, in which each chosen
// atom is swapped with the one after the support. Among equally good atoms the first
// in that order is taken. The chosen atoms have the positions below size.
func (p *pursuit) place(word int32) int32 {
	for i, from := range p.places[:p.size] {
		switch word {
		case from:
			word = int32(i)
		case int32(i):
			word = from
		}
	}
	return word
}

// extend takes one step: it chooses the best of the candidates, which must include
// every atom that could be the best, and refits; or it ends the pursuit. wide is
// scratch memory for one atom.
func (p *pursuit) extend(d *Dictionary, candidates []int32, wide []float64) {
	best, at, value := int32(-1), int32(0), 0.0
	for _, word := range candidates {
		c := dot(d.atom(int(word)), p.rest)
		if best >= 0 && math.Abs(c) < math.Abs(value) {
			continue
		}
		place := p.place(word)
		if best < 0 || math.Abs(c) > math.Abs(value) || place < at {
			best, at, value = word, place, c
		}
	}
	switch {
	case best < 0 || value*value < epsilon:
		p.end(Weak)
		return
	case int(at) < p.size:
		p.end(Repeated)
		return
	case p.size == len(p.support):
		p.end(Dependent)
		return
	}
	// The new row of L is (w, √(|x|² - w·w)) with L w = Xᵀx.
	atom := d.atom(int(best))
	for i, x := range atom {
		wide[i] = float64(x)
	}
	n := p.size
	row := p.chol[n*(n+1)/2:][:n+1]
	left := d.squares[best]
	d.products(row[:n], p.support, wide)
	for i := range n {
		w := row[i]
		above := p.chol[i*(i+1)/2:][:i+1]
		for j, v := range row[:i] {
			w -= above[j] * v
		}
		row[i] = w / above[i]
		left -= row[i] * row[i]
	}
	if n > 0 && left <= epsilon {
		p.end(Dependent)
		return
	}
	row[n] = math.Sqrt(left)
	p.support[n], p.places[n] = best, at
	p.z[n] = value / row[n] // the residual is orthogonal to the rest of the support
	p.size++
	p.refit(d)
	if p.size == p.full {
		p.end(Full)
	}
}

func (p *pursuit) end(why Stop) { p.running, p.stop = false, why }

// refit solves for the coefficients and computes the residual.
func (p *pursuit) refit(d *Dictionary) {
	copy(p.coefs, p.z[:p.size])
	for i := p.size - 1; i >= 0; i-- {
		row := p.chol[i*(i+1)/2:][:i+1]
		c := p.coefs[i] / row[i]
		p.coefs[i] = c
		for j, v := range row[:i] {
			p.coefs[j] -= v * c
		}
	}
	copy(p.rest, p.signal)
	i := 0
	for ; i+4 <= p.size; i += 4 {
		subtract4(p.rest, p.coefs[i:], d.atom(int(p.support[i])), d.atom(int(p.support[i+1])),
			d.atom(int(p.support[i+2])), d.atom(int(p.support[i+3])))
	}
	for ; i < p.size; i++ {
		subtract(p.rest, p.coefs[i], d.atom(int(p.support[i])))
	}
	sum := 0.0
	for _, v := range p.rest {
		sum += v * v
	}
	p.length = math.Sqrt(sum)
}
