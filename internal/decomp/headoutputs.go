package decomp

import "math"

// HeadOutputs are what heads of a vision transformer give the output projection at the class
// token on average, taken out of mean contributions.
type HeadOutputs struct {
	// Outputs are sum(z/sd)/sum(1/sd) over the images, [L,W] with channels h*D+d: each image
	// counts by what its contributions are scaled by.
	Outputs []float64
	// Misfit is how large the part of the means that no outputs explain is, as a share of
	// them.
	Misfit float64
}

// HeadOutputs takes the outputs z of heads out of means [L,H,O] of what they add to features.
// With the mean m and the deviation sd of each image's class token, S = 2L+1 parts, and
// equal shares of biases, these are
//
//	mean[l,h] = Σ_d E[z_d/sd] Out[h,d] + E[1/sd] B_O/H - E[m/sd] Mean/(S·H) + Shift/(S·H)
//
// The two expectations are the same for all heads: they follow from what of the means lies
// outside of the span of each head's rows of Out, and E[z/sd] then from what is in it. ok is
// false where that does not tell them, such as without a bias.
func (t *Tokens) HeadOutputs(means []float32, heads int) (found HeadOutputs, ok bool) {
	L, W, O := t.Layers, t.Width, t.OutDim
	D, parts := W/heads, float64(2*L+1)
	type span struct{ basis, factors [][]float64 } // of a head's rows: row d = Σ_k factors[d][k] basis[k]
	spans := make([]span, L*heads)
	residues := make([][3][]float64, L*heads) // of the mean, of B_O/H and of -Mean/(S·H), outside of the span
	within := make([][3][]float64, L*heads)   // their coordinates in the basis
	var gram [3][3]float64
	size := 0.0
	for i := range spans {
		s, l := &spans[i], i/heads
		for d := range D {
			row := widen(t.Out[(l*W+i%heads*D+d)*O:][:O])
			if inner(row, row) == 0 { // of a head that was removed: what it gives adds nothing, and counts as 0
				s.basis, s.factors = append(s.basis, row), append(s.factors, append(make([]float64, d), 1))
				continue
			}
			factors := reduce(row, s.basis)
			length := math.Sqrt(inner(row, row))
			if length == 0 {
				return found, false
			}
			for o := range row {
				row[o] /= length
			}
			s.basis, s.factors = append(s.basis, row), append(s.factors, append(factors, length))
		}
		for k, of := range [][]float64{make([]float64, O), make([]float64, O), make([]float64, O)} {
			for o := range of {
				switch k {
				case 0:
					of[o] = float64(means[i*O+o]) - float64(t.Shift[o])/(parts*float64(heads))
				case 1:
					of[o] = float64(t.OutBias[l*O+o]) / float64(heads)
				case 2:
					of[o] = -float64(t.Mean[o]) / (parts * float64(heads))
				}
			}
			if k == 0 {
				size += inner(of, of)
			}
			within[i][k], residues[i][k] = reduce(of, s.basis), of
		}
		for a := range gram {
			for b := range gram {
				gram[a][b] += inner(residues[i][a], residues[i][b])
			}
		}
	}
	// Least squares for y = e p + u q: p without its part along q, then u.
	along := 0.0
	if gram[2][2] > 0 {
		along = gram[1][2] / gram[2][2]
	}
	own, onOwn := gram[1][1]-along*gram[1][2], gram[0][1]-along*gram[0][2]
	const least = 1e-5 // of the size of the means, below which their rounding decides
	e := onOwn / own
	if !(own > 0) || !(e > 0) || !(e*math.Sqrt(own) > least*math.Sqrt(size)) {
		return found, false
	}
	u := 0.0
	if gram[2][2] > 0 {
		u = (gram[0][2] - e*gram[1][2]) / gram[2][2]
	}
	left := 0.0
	for i, s := range spans {
		for o, y := range residues[i][0] {
			y -= e*residues[i][1][o] + u*residues[i][2][o]
			left += y * y
		}
		z := make([]float64, D) // solves z R = what is in the basis
		for d := D - 1; d >= 0; d-- {
			z[d] = within[i][0][d] - e*within[i][1][d] - u*within[i][2][d]
			for k := d + 1; k < D; k++ {
				z[d] -= z[k] * s.factors[k][d]
			}
			z[d] /= s.factors[d][d]
		}
		for _, x := range z {
			found.Outputs = append(found.Outputs, x/e)
		}
	}
	found.Misfit = math.Sqrt(left / size)
	return found, true
}

// NoReads are means as HeadOutputs takes them, [L,H,O], of images in which heads read nothing, with
// a deviation of 1: whether these tell the outputs depends on the weights alone.
func (t *Tokens) NoReads(heads int) []float32 {
	L, O := t.Layers, t.OutDim
	means, parts := make([]float32, L*heads*O), float32(2*L+1)
	for i := range means {
		means[i] = (t.OutBias[i/(heads*O)*O+i%O] + t.Shift[i%O]/parts) / float32(heads)
	}
	return means
}

// reduce takes what row has of orthonormal vectors out of it, and returns that.
func reduce(row []float64, basis [][]float64) []float64 {
	found := make([]float64, len(basis), len(basis)+1)
	for range 2 { // the second time for what rounding left
		for k, b := range basis {
			x := inner(row, b)
			found[k] += x
			for o := range row {
				row[o] -= x * b[o]
			}
		}
	}
	return found
}

func inner(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

func widen(x []float32) []float64 {
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	return wide
}
