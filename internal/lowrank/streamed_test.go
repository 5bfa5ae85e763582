package lowrank

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestStreamed holds that neurons computed from blocks of images have the bits of neurons
// computed from all scores, with ties, and for fewer and more images than are kept or than
// there are heads.
func TestStreamed(t *testing.T) {
	const heads, neurons, outDim = 5, 40, 7
	random := rand.New(rand.NewPCG(1, 2))
	draws := map[string]func() float32{
		"normal":     func() float32 { return float32(random.NormFloat64()) },
		"few values": func() float32 { return float32(random.IntN(2)) },
		"constant":   func() float32 { return 3 },
	}
	for name, draw := range draws {
		for _, test := range []struct{ images, topK, index, first, units int }{
			{1, 10, 0, 0, neurons}, {9, 10, 1, 0, neurons}, {10, 10, 0, 3, 20}, {15, 10, 2, 0, neurons}, {20, 3, 1, 0, 1}, {300, 4, 0, 0, neurons}, {300, 50, 1, 17, 23},
		} {
			s := Scores{Images: test.images, Heads: heads, Neurons: neurons, Data: make([]float32, test.images*heads*neurons)}
			for i := range s.Data {
				s.Data[i] = draw()
			}
			directions, bias := random32(random, heads*test.units*outDim), random32(random, outDim)
			for _, team := range []par.Team{par.NewTeam(1), par.NewTeam(3)} {
				streamed := NewStreamed(test.images, heads, neurons, test.first, test.units, test.topK)
				inBlocks(random, s, func(scores []float32) { streamed.AddMeans(scores, team) })
				opt := Options{test.topK, test.index}
				want := NewResult(test.units, outDim, test.images, test.topK)
				got := NewResult(test.units, outDim, test.images, test.topK)
				if err := streamed.Measure(0, directions, outDim, team); err != nil {
					t.Fatal(err)
				}
				inBlocks(random, s, func(scores []float32) { streamed.AddNorms(scores, team) })
				if err := Neurons(want, s, test.first, directions, bias, opt, team); err != nil {
					t.Fatal(err)
				}
				if err := streamed.Solve(got, 0, directions, bias, opt, team); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %+v: differs from all scores'", name, test)
				}
			}
		}
	}
}

func random32(random *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(random.NormFloat64())
	}
	return x
}

// inBlocks hands over scores in blocks of images.
func inBlocks(random *rand.Rand, s Scores, do func(scores []float32)) {
	each := s.Heads * s.Neurons
	for lo := 0; lo < s.Images; {
		n := min(s.Images-lo, 1+random.IntN(90))
		do(s.Data[lo*each : (lo+n)*each])
		lo += n
	}
}

// TestStreamedRefuses holds that directions that are no numbers are the error of the unit.
func TestStreamedRefuses(t *testing.T) {
	s := NewStreamed(2, 2, 3, 0, 3, 1)
	s.AddMeans(make([]float32, 12), par.NewTeam(1))
	directions := make([]float32, 2*3)
	directions[5] = float32(math.Inf(1))
	err, ok := s.Measure(0, directions, 1, par.NewTeam(2)).(*UnitError)
	if !ok || err.Unit != 2 || err.Reason != reasonDirections {
		t.Errorf("error %v, want that of unit 2", err)
	}
}

// TestUnsure holds that PairsOf selects the images that Pairs does unless Unsure names the
// unit, for scores that differ by less than the rounding of their mean.
func TestUnsure(t *testing.T) {
	const units, images, keep = 200, 40, 4
	random := rand.New(rand.NewPCG(5, 6))
	differ, named := 0, 0
	for _, tiny := range []float64{1e-20, 1e-7, 1} {
		s := Scores{Images: images, Heads: 1, Neurons: units, Data: make([]float32, images*units)}
		for i := range s.Data {
			switch random.IntN(4) {
			case 0:
				s.Data[i] = float32(tiny * random.Float64()) // many distances to a mean of about 1
			case 1:
				s.Data[i] = float32(1 + tiny*random.Float64())
			default:
				s.Data[i] = float32(1 + random.Float64()/8)
			}
		}
		directions, bias := random32(random, units), []float32{0}
		want, got := NewResult(units, 1, images, keep), NewResult(units, 1, images, keep)
		e := NewExtremes(units, keep)
		e.Add(s.Data, par.NewTeam(1))
		if err := Pairs(want, s, 0, directions, bias, keep, par.NewTeam(1)); err != nil {
			t.Fatal(err)
		}
		if err := e.PairsOf(got, 0, directions, bias, keep, par.NewTeam(1)); err != nil {
			t.Fatal(err)
		}
		unsure := e.Unsure(0, units, par.NewTeam(3))
		named += len(unsure)
		if !reflect.DeepEqual(got, want) {
			differ++
		}
		for _, u := range unsure {
			one := Scores{Images: images, Heads: 1, Neurons: 1}
			for b := range images {
				one.Data = append(one.Data, s.Data[b*units+u])
			}
			r := NewResult(1, 1, images, keep)
			if err := Pairs(r, one, 0, directions[u:u+1], bias, keep, par.NewTeam(1)); err != nil {
				t.Fatal(err)
			}
			got.Set(u, r)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("scores of %g: a unit that is not named differs", tiny)
		}
	}
	if differ == 0 || named == 0 {
		t.Errorf("%d sets of scores differ and %d units are named: the test has no such scores", differ, named)
	}
}
