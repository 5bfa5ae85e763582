package score

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// The shape of a world in which it is known what units stand for: things with
// orthogonal embeddings occur in images independently, and unit u stands for thing u
// mod worldThings.
const (
	worldThings  = 40
	worldDims    = 48
	worldHeads   = 2
	worldNeurons = 96
	worldImages  = 300
)

// world writes its scores, components, words and attributes, and returns options that
// read them. Three pairs are special: the direction of pair 1 points away from its
// thing, and its scores are negative where that occurs, so that its component points
// to the thing; pair 2 is strongest where its thing is absent; the scores of pair 3
// never vary; and pair 4 has no component.
func world(t testing.TB) Options {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	const pairs, width = worldHeads * worldNeurons, worldNeurons / worldHeads
	value, out := make([]float32, worldNeurons*worldNeurons), make([]float32, worldDims*worldNeurons)
	components := make([]float32, pairs*worldDims)
	for h := range worldHeads {
		for o := range worldDims {
			out[o*worldNeurons+h*width+o] = 1 // a head's first outputs are the dimensions
		}
		for n := range worldNeurons {
			u, sign, side := h*worldNeurons+n, float32(1), float32(1)
			switch u {
			case 1:
				sign = -1
			case 2:
				side = -1
			}
			thing := u % worldThings
			value[(h*width+thing)*worldNeurons+n] = sign
			if u != 4 {
				components[u*worldDims+thing] = side
			}
		}
	}
	ov := decomp.NewOV(worldHeads, value, make([]float32, worldNeurons), out, make([]float32, worldDims))
	scores, names := make([]float32, worldImages*pairs), make([]string, worldImages)
	csv := "image,thing\n"
	for b := range worldImages {
		names[b] = fmt.Sprintf("folder/%03d.png", b)
		csv += fmt.Sprintf("%03d.png", b)
		var strength [worldThings]float32
		for k := range strength {
			strength[k] = float32(random.NormFloat64())
			if strength[k] > 0.8 {
				csv += fmt.Sprintf(",thing %d|kind %d", k, k)
			}
		}
		csv += "\n"
		for u := range pairs {
			s := strength[u%worldThings] + 0.3*float32(random.NormFloat64())
			switch u {
			case 1:
				s = -s
			case 3:
				s = 1
			}
			scores[b*pairs+u] = s
		}
	}
	o := Options{ScoresPath: pipelinetest.ScoresOf(t, ov, names, scores, origin.Origin{}), AttributesPath: table(t, csv), WordsPath: "words.txt", Components: 2, Threads: 2}
	embeddings := make([]float32, worldThings*worldDims)
	for k := range worldThings {
		o.Words = append(o.Words, fmt.Sprintf("kind %d", k))
		embeddings[k*worldDims+k] = 1
	}
	o.PCsPath = pipelinetest.WriteNPY(t, []int{worldHeads, worldNeurons, worldDims}, components)
	o.EmbeddingsPath = pipelinetest.WriteNPY(t, []int{worldThings, worldDims}, embeddings)
	return o
}

// TestTrueWords holds that words which are true predict scores, whichever side the
// unit's direction points to.
func TestTrueWords(t *testing.T) {
	o := world(t)
	o.Ways = []Way{{describe.OMP, omp.None}, {describe.Nearest, omp.None}, {describe.NonNegative, omp.None}}
	r := measureOf(t, o)
	const pairs = worldHeads * worldNeurons
	if r.Left != (Left{NoComponent: 1, Constant: 1}) || r.Units != pairs-2 || r.Attributes != worldThings {
		t.Errorf("%d pairs of %d measured by %d attributes, left out %+v", r.Units, pairs, r.Attributes, r.Left)
	}
	for _, d := range r.Descriptions {
		if d.Words.Correlation.Low < 0.85 || d.FirstWord.AUC.Low < 0.95 || d.Words.Correlation.Above < 0.95 || d.Words.AUC.Above < 0.95 {
			t.Errorf("%s: words %+v, first word %+v", d.Name, d.Words, d.FirstWord)
		}
		// Only pair 2 has a thing that it is not: OMP says so, and it names nothing.
		if want := r.Units - 1; *d.NamesBest != want || *d.ContainsBest != want {
			t.Errorf("%s: %d name their best attribute, %d contain it, want %d", d.Name, *d.NamesBest, *d.ContainsBest, want)
		}
		for _, u := range d.All {
			if u.Index == 1 && (u.Correlation < 0.85 || u.Best != "thing 1" || !u.Names || *u.BestAUC < 0.9) {
				t.Errorf("%s: a pair whose direction points away from its component: %+v", d.Name, u)
			}
			if u.Index == 2 {
				if omp := d.Name == "omp:none"; omp && (u.Correlation < 0.85 || u.FirstCorrelation < 0.85 || u.Terms[0].Coefficient > 0) ||
					!omp && (u.Correlation != 0 || u.AUC != 0.5 || len(u.Terms) != 0) || u.Names {
					t.Errorf("%s: a pair that is strongest where its thing is absent: %+v", d.Name, u)
				}
			}
		}
	}
}

// TestAttributesMerged measures by a table whose values occur in two columns what it measures by
// one of a single column.
func TestAttributesMerged(t *testing.T) {
	o := world(t)
	o.Ways = []Way{{describe.OMP, omp.None}}
	one := measureOf(t, o)
	text, err := os.ReadFile(o.AttributesPath)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	lines[0] = "image,thing,other"
	for i := 1; i < len(lines); i += 2 { // some of the things are then in another column
		lines[i] = strings.Replace(lines[i], ",", ",,", 1)
	}
	o.AttributesPath = table(t, strings.Join(lines, "\n"))
	two := measureOf(t, o)
	if len(one.Descriptions) != 1 || two.Attributes != one.Attributes || !reflect.DeepEqual(one.Descriptions, two.Descriptions) {
		t.Errorf("by values in two columns: %+v, by those of one %+v", two, one)
	}
}

// TestShuffled gives every unit the words of another: they predict nothing, and so
// says the floor.
func TestShuffled(t *testing.T) {
	o := world(t)
	const pairs = worldHeads * worldNeurons
	random := rand.New(rand.NewPCG(5, 5))
	codes := &npy.Sparse{Rows: pairs, Cols: worldThings, ByRow: true, Starts: make([]int32, pairs+1)}
	for u := range pairs {
		thing := u % worldThings
		for thing == u%worldThings {
			thing = random.IntN(worldThings)
		}
		codes.Indices, codes.Data = append(codes.Indices, int32(thing)), append(codes.Data, 1)
		codes.Starts[u+1] = int32(u + 1)
	}
	path := filepath.Join(t.TempDir(), "codes.npz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := npy.NewArchiveWriter(f, true)
	if err := errors.Join(w.WriteSparse(codes), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	o.DecompositionPaths, o.Draws = []string{path}, 20
	r := measureOf(t, o)
	for name, m := range map[string]Measures{"words": r.Descriptions[0].Words, "first word": r.Descriptions[0].FirstWord} {
		for _, d := range []struct {
			of   string
			zero float64
			Distribution
		}{{"correlation", 0, m.Correlation}, {"AUC", 0.5, m.AUC}} {
			if !(d.Floor.P2 < d.zero && d.zero < d.Floor.P97) || d.Median < d.Floor.P2 || d.Median > d.Floor.P97 {
				t.Errorf("%s: %s %+v: want %g and the median within the floor's interval", name, d.of, d.Distribution, d.zero)
			}
			// One of 40 draws has the unit's own thing by chance.
			if math.Abs(d.Median-d.zero) > 0.08 || math.Abs(d.Floor.Median-d.zero) > 0.08 || d.Above > 0.05 {
				t.Errorf("%s: %s %+v: want medians of %g, and few above the floor", name, d.of, d.Distribution, d.zero)
			}
		}
	}
	if *r.Descriptions[0].NamesBest != 0 {
		t.Errorf("%d of the words of others name the best attribute", *r.Descriptions[0].NamesBest)
	}
}

// TestAlikeForFewUnits holds that the floor of a few units is drawn from others too.
func TestAlikeForFewUnits(t *testing.T) {
	o := world(t)
	o.Ways, o.Units = []Way{{describe.Nearest, omp.None}}, []string{"h0n10"}
	r := measureOf(t, o)
	d := r.Descriptions[0]
	if len(d.All) != 1 || r.Draws != leastDraws || d.Words.Correlation.Above != 1 || math.Abs(d.Words.Correlation.Floor.Median) > 0.1 {
		t.Errorf("%d units, %d draws, %+v", len(d.All), r.Draws, d.Words)
	}
}
