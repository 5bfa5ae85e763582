package shift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
	"gonum.org/v1/gonum/stat/distuv"
)

// This file has two other ways to tell whether two groups of images differ, both by the
// embeddings of the images: TestPower sets them beside watch. Neither says what differs.

// An embedding is a group's images, rows of unit vectors.
type embedding = *mat.Dense

// discrepancy tests by the maximum mean discrepancy with a Gaussian kernel, whose width is
// the median distance of two images, and permutations: p is the share of them, the observed
// order among them, whose discrepancy is as large.
//
// Source: Gretton et al., A Kernel Two-Sample Test, JMLR 13 (2012); the biased statistic.
func discrepancy(a, b embedding, permutations int, r *rand.Rand) float64 {
	n, d := a.Dims()
	m, _ := b.Dims()
	all := mat.NewDense(n+m, d, nil)
	all.Stack(a, b)
	squares := mat.NewSymDense(n+m, nil)
	var distances []float64
	for i := range n + m {
		for j := range i {
			x := floats.Distance(all.RawRowView(i), all.RawRowView(j), 2)
			squares.SetSym(i, j, x*x)
			distances = append(distances, x*x)
		}
	}
	slices.Sort(distances)
	width := distances[len(distances)/2]
	kernel := mat.NewSymDense(n+m, nil)
	for i := range n + m {
		for j := range i + 1 {
			kernel.SetSym(i, j, math.Exp(-squares.At(i, j)/width))
		}
	}
	weights, product := mat.NewVecDense(n+m, nil), mat.NewVecDense(n+m, nil)
	statistic := func(order []int) float64 { // wᵀKw, w of 1/n on one side and -1/m on the other
		for i, at := range order {
			if i < n {
				weights.SetVec(at, 1/float64(n))
			} else {
				weights.SetVec(at, -1/float64(m))
			}
		}
		product.MulVec(kernel, weights)
		return mat.Dot(weights, product)
	}
	order := make([]int, n+m)
	for i := range order {
		order[i] = i
	}
	observed, as := statistic(order), 1
	for range permutations {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if statistic(order) >= observed-1e-12 {
			as++
		}
	}
	return float64(as) / float64(permutations+1)
}

// classified tests by a domain classifier: logistic regression on one half of each group
// tells the others apart better than by chance. p is that of as many right answers or more
// among coins (binomial), of groups of one size.
//
// Source: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017.
func classified(a, b embedding, r *rand.Rand) float64 {
	n, d := a.Dims()
	half := n / 2
	var train, test [2][][]float64
	for side, of := range []embedding{a, b} {
		for i, row := range r.Perm(n) {
			if i < half {
				train[side] = append(train[side], of.RawRowView(row))
			} else {
				test[side] = append(test[side], of.RawRowView(row))
			}
		}
	}
	mean, scale := columnScale(slices.Concat(train[0], train[1]), d)
	x := make([]float64, d)
	margin := func(w, row []float64) float64 {
		for i := range x {
			x[i] = (row[i] - mean[i]) / scale[i]
		}
		return floats.Dot(w[:d], x) + w[d]
	}
	signs := []float64{-1, 1}
	const decay = 1.0 // of |w|², beside the sum over images
	loss := func(w, gradient []float64) float64 {
		sum := decay / 2 * floats.Dot(w[:d], w[:d])
		if gradient != nil {
			copy(gradient, w)
			floats.Scale(decay, gradient[:d])
			gradient[d] = 0
		}
		for side, rows := range train {
			for _, row := range rows {
				z := signs[side] * margin(w, row)
				sum += math.Log1p(math.Exp(-math.Abs(z))) + max(-z, 0)
				if gradient != nil {
					g := -signs[side] / (1 + math.Exp(z))
					floats.AddScaled(gradient[:d], g, x)
					gradient[d] += g
				}
			}
		}
		return sum
	}
	fitted, err := optimize.Minimize(optimize.Problem{
		Func: func(w []float64) float64 { return loss(w, nil) },
		Grad: func(gradient, w []float64) { loss(w, gradient) },
	}, make([]float64, d+1), &optimize.Settings{GradientThreshold: 1e-4}, &optimize.LBFGS{})
	if err != nil {
		panic(err)
	}
	right, of := 0.0, 0.0
	for side, rows := range test {
		for _, row := range rows {
			if signs[side]*margin(fitted.X, row) > 0 {
				right++
			}
			of++
		}
	}
	return distuv.Binomial{N: of, P: 0.5}.Survival(right - 1)
}

// columnScale returns the mean and the deviation of each column.
func columnScale(rows [][]float64, d int) (mean, scale []float64) {
	mean, scale = make([]float64, d), make([]float64, d)
	for _, row := range rows {
		floats.AddScaled(mean, 1/float64(len(rows)), row)
	}
	for _, row := range rows {
		for i, x := range row {
			scale[i] += (x - mean[i]) * (x - mean[i]) / float64(len(rows))
		}
	}
	for i := range scale {
		scale[i] = max(math.Sqrt(scale[i]), 1e-9)
	}
	return mean, scale
}

// TestRivals: both find a shift of a mean, and hold their level without one.
func TestRivals(t *testing.T) {
	const n, d, draws = 60, 5, 100
	r := rand.New(rand.NewPCG(9, 9))
	group := func(by float64) embedding {
		rows := mat.NewDense(n, d, nil)
		for i := range n {
			for j := range d {
				rows.Set(i, j, r.NormFloat64()+by)
			}
		}
		return rows
	}
	for name, p := range map[string]func(a, b embedding) float64{
		"discrepancy": func(a, b embedding) float64 { return discrepancy(a, b, 99, r) },
		"classifier":  func(a, b embedding) float64 { return classified(a, b, r) },
	} {
		found, wrong := 0, 0
		for range draws {
			if p(group(0), group(0.7)) <= 0.05 {
				found++
			}
			if p(group(0), group(0)) <= 0.05 {
				wrong++
			}
		}
		t.Logf("%s: %d of %d shifts found, %d of %d without one", name, found, draws, wrong, draws)
		if found < 95 || wrong > 12 {
			t.Errorf("%s: %d of %d shifts found, and %d of %d without one", name, found, draws, wrong, draws)
		}
	}
}
