package attribution

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// A drawn is an attention pool with random weights, and an image that it read.
type drawn struct {
	ov                          *decomp.OV
	position, attention, tokens []float32 // [T,C], [H,T], [T,C]
	scores                      []float32 // [H,C]
	text                        []float32 // [O]
}

const (
	heads, neurons, outDim, tokenCount = 3, 12, 5, 10
	float32Rounding                    = 1e-5 // of sums of products of float32 numbers
)

func draw(t *testing.T) drawn {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	const H, C, O, T = heads, neurons, outDim, tokenCount
	d := drawn{
		ov:       decomp.NewOV(H, numbers(C*C), numbers(C), numbers(O*C), numbers(O)),
		position: numbers(T * C), attention: make([]float32, H*T), tokens: make([]float32, T*C),
		scores: make([]float32, H*C), text: numbers(O),
	}
	z := numbers((T - 1) * C)
	for n := range C {
		mean := 0.0
		for m := range T - 1 {
			mean += float64(z[m*C+n]) / (T - 1)
			d.tokens[(m+1)*C+n] = z[m*C+n] + d.position[(m+1)*C+n]
		}
		d.tokens[n] = float32(mean) + d.position[n]
	}
	for h := range H {
		total := 0.0
		for m := range T {
			a := random.Float64()
			d.attention[h*T+m] = float32(a)
			total += a
		}
		for m := range T {
			d.attention[h*T+m] /= float32(total)
			for n := range C {
				d.scores[h*C+n] += d.attention[h*T+m] * d.tokens[m*C+n]
			}
		}
	}
	return d
}

// logit is that of the pool's own feature.
func (d drawn) logit(t *testing.T) (logit, factor float64) {
	t.Helper()
	feature := make([]float32, outDim)
	d.ov.Features(feature, make([]float32, neurons), d.scores, 1, par.NewTeam(1))
	factor, ok := Factor(feature)
	if !ok {
		t.Fatal("no direction")
	}
	one := make([]float64, 1)
	Logits(one, feature, d.text, factor)
	return one[0], factor
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= float32Rounding*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.9g, want %.9g", what, got, want)
	}
}

// exact is for sums of the same float64 numbers in another order.
func exact(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.17g, want %.17g", what, got, want)
	}
}

// Every way of splitting a logit sums to it.
func TestPartsSumToTheLogit(t *testing.T) {
	d := draw(t)
	logit, factor := d.logit(t)
	target := NewTarget(d.ov, Difference(d.text, nil), par.NewTeam(2))
	constant := factor * target.Constant
	parts := make([]float64, heads*neurons)
	Parts(target, parts, d.scores, factor)
	near(t, "pairs and constant", Sum(parts)+constant, logit)

	byNeuron, byHead := make([]float64, neurons), make([]float64, heads)
	target.ByNeuron(byNeuron, parts)
	target.ByHead(byHead, parts)
	near(t, "neurons and constant", Sum(byNeuron)+constant, logit)
	near(t, "heads and constant", Sum(byHead)+constant, logit)

	p := target.Places(d.position, par.NewTeam(2))
	places, positions := make([]float64, tokenCount-1), make([]float64, tokenCount)
	maps, alone := make([]float64, heads*tokenCount), [2][]float64{make([]float64, len(places)), make([]float64, len(positions))}
	p.Map(places, positions, maps, d.attention, d.tokens, factor, par.NewTeam(2))
	near(t, "places, positions and constant", Sum(places)+Sum(positions)+constant, logit)
	p.Map(alone[0], alone[1], nil, d.attention, d.tokens, factor, par.NewTeam(2))
	if !slices.Equal(alone[0], places) || !slices.Equal(alone[1], positions) {
		t.Error("other places with maps of heads than without")
	}

	// So do the maps of heads, and each to its head's part.
	for h, part := range byHead {
		near(t, "map of a head", Sum(maps[h*tokenCount:(h+1)*tokenCount]), part)
	}
	tokens := make([]float64, tokenCount)
	SumHeads(tokens, maps)
	exact(t, "positions of heads", tokens[0], Sum(positions))
	for m, x := range places {
		exact(t, "maps of heads", tokens[m+1], x)
	}

	// The maps of pairs sum to the map, and each to its pair's part.
	sum, bare, own := make([]float64, len(places)), 0.0, make([]float64, len(places))
	for pair := range parts {
		position := p.Pair(own, pair, d.attention, d.tokens, factor)
		near(t, "places of a pair", Sum(own)+position, parts[pair])
		bare += position
		for m, x := range own {
			sum[m] += x
		}
	}
	near(t, "positions of pairs", bare, Sum(positions))
	for m := range places {
		near(t, "maps of pairs", sum[m], places[m])
	}
}

// The products are those of the directions written out, and those of a difference the
// difference of those.
func TestTarget(t *testing.T) {
	d := draw(t)
	other := slices.Clone(d.text)
	slices.Reverse(other)
	team := par.NewTeam(1)
	alone, against := NewTarget(d.ov, Difference(d.text, nil), team), NewTarget(d.ov, Difference(other, nil), team)
	difference := NewTarget(d.ov, Difference(d.text, other), par.NewTeam(4))
	v := d.ov.AllDirections(team)
	for u, got := range alone.Products {
		want := 0.0
		for o, x := range d.text {
			want += float64(v[u*outDim+o]) * float64(x)
		}
		near(t, "product", got, want)
		near(t, "product of a difference", difference.Products[u], got-against.Products[u])
	}
	near(t, "constant of a difference", difference.Constant, alone.Constant-against.Constant)
}

func TestStrongest(t *testing.T) {
	parts := []float64{0, 3, -1, 5, 3, -4, 0.5, math.Copysign(0, -1), -4}
	for _, test := range []struct {
		k        int
		up, down []int
	}{
		{0, nil, nil},
		{1, []int{3}, []int{5}},
		{2, []int{3, 1}, []int{5, 8}},
		{3, []int{3, 1, 4}, []int{5, 8, 2}},
		{1 << 30, []int{3, 1, 4, 6}, []int{5, 8, 2}},
	} {
		if up, down := Strongest(parts, test.k); !slices.Equal(up, test.up) || !slices.Equal(down, test.down) {
			t.Errorf("%d strongest: %v and %v, want %v and %v", test.k, up, down, test.up, test.down)
		}
	}
}

func TestSoftmax(t *testing.T) {
	got := make([]float64, 3)
	Softmax(got, []float64{1000, 1000 + math.Log(2), 1000 + math.Log(5)})
	for i, want := range []float64{0.125, 0.25, 0.625} {
		near(t, "probability", got[i], want)
	}
}

func TestFactor(t *testing.T) {
	for _, feature := range [][]float32{{0, 0}, {float32(math.NaN()), 1}, {float32(math.Inf(1)), 1}} {
		if _, ok := Factor(feature); ok {
			t.Errorf("%v has a direction", feature)
		}
	}
	if got, ok := Factor([]float32{3, 4}); !ok || got != 20 {
		t.Errorf("factor %g, %v, want 20", got, ok)
	}
}

// TestRemove compares the logit without pairs with that of scores that are their means, or
// zero, in the pool itself.
func TestRemove(t *testing.T) {
	d := draw(t)
	pairs, means := []int{1, neurons + 2, heads*neurons - 1}, make([]float64, heads*neurons)
	for u := range means {
		means[u] = float64(u%5) - 1.5
	}
	for _, with := range [][]float64{means, nil} {
		changed := d
		changed.scores = slices.Clone(d.scores)
		for _, u := range pairs {
			changed.scores[u] = 0
			if with != nil {
				changed.scores[u] = float32(with[u])
			}
		}
		want, factor := changed.logit(t)
		target := NewTarget(d.ov, Difference(d.text, nil), par.NewTeam(1))
		target.Remove(pairs, with)
		parts := make([]float64, heads*neurons)
		Parts(target, parts, d.scores, factor)
		if got := factor*target.Constant + Sum(parts); math.Abs(got-want) > float32Rounding*100 {
			t.Errorf("logit %g, want %g", got, want)
		}
		for _, u := range pairs {
			if parts[u] != 0 {
				t.Errorf("pair %d adds %g", u, parts[u])
			}
		}
	}
}
