package retrieve

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/unit"
)

// goldenRetrieval is retrieval.json: rows, best first.
type goldenRetrieval struct {
	Neuron int
	Whole  []int   `json:"neuron_top10"`
	Heads  [][]int `json:"head_top10"`
}

func readRetrieval(t testing.TB) (g goldenRetrieval) {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden("retrieval.json"))
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil || len(g.Heads) == 0 {
		t.Fatalf("retrieval.json: %v", err)
	}
	return g
}

func goldenImages() source.Options {
	return source.Options{Model: pipelinetest.TinyModel(), BatchSize: 5, Stride: 1, Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")}}
}

func retrieve(t testing.TB, o Options) *Result {
	t.Helper()
	result, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func rows(u Unit) (images []int) {
	for _, r := range u.Top {
		images = append(images, r.Image)
	}
	return images
}

func TestRetrieve(t *testing.T) {
	want := readRetrieval(t)
	dense, shape := pipelinetest.GoldenDense(t, false)
	sums, sumsShape := pipelinetest.GoldenDense(t, true)
	for name, from := range map[string]source.Options{
		"scores":   {ScoresPath: pipelinetest.GoldenScores(t)},
		"pictures": goldenImages(),
		"dense":    {ScoresPath: dense, Shape: shape},
		"sums":     {ScoresPath: sums, Shape: sumsShape},
	} {
		t.Run(name, func(t *testing.T) {
			for _, threads := range []int{1, 3} {
				result := retrieve(t, Options{Options: from, Neurons: []string{strconv.Itoa(want.Neuron), "0"}, Top: 10, Threads: threads})
				n := result.Neurons[0]
				if result.Images != 48 || len(result.Neurons) != 2 || n.Neuron != unit.Neuron(want.Neuron) {
					t.Fatalf("of %d images %d neurons, first %s", result.Images, len(result.Neurons), n.Neuron)
				}
				if got := rows(n.Units[0]); !slices.Equal(got, want.Whole) {
					t.Errorf("neuron: %v, want %v", got, want.Whole)
				}
				if name == "sums" {
					if len(n.Units) != 1 {
						t.Errorf("%d units of sums over heads", len(n.Units))
					}
					continue
				}
				largest := float32(math.MaxFloat32)
				for _, u := range n.Units[1:] {
					if got := rows(u); !slices.Equal(got, want.Heads[u.head]) {
						t.Errorf("%s: %v, want %v", u.Unit, got, want.Heads[u.head])
					}
					if u.Top[0].Norm > largest {
						t.Errorf("%s comes after weaker ones", u.Unit)
					}
					largest = u.Top[0].Norm
				}
				if len(n.Units) != 1+len(want.Heads) {
					t.Errorf("%d units, want the neuron and %d pairs", len(n.Units), len(want.Heads))
				}
			}
		})
	}
}

// TestRetrieveNorms compares norms with those of contributions written out.
func TestRetrieveNorms(t *testing.T) {
	pairs, shape := pipelinetest.ReadGolden(t, "raw_norms_nh.npy")
	sums, _ := pipelinetest.ReadGolden(t, "raw_norms_n.npy")
	H, C := shape[1], shape[2]
	result := retrieve(t, Options{Options: goldenImages(), Neurons: []string{"3", strconv.Itoa(C - 1)}, Top: 100, Threads: 2})
	var got, want []float32
	for _, n := range result.Neurons {
		for _, u := range n.Units {
			if len(u.Top) != shape[0] {
				t.Fatalf("%s: %d images, want all %d", u.Unit, len(u.Top), shape[0])
			}
			for _, r := range u.Top {
				got = append(got, r.Norm)
				if u.head == wholeNeuron {
					want = append(want, sums[r.Image*C+n.index])
				} else {
					want = append(want, pairs[(r.Image*H+u.head)*C+n.index])
				}
			}
		}
	}
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
		t.Error(err)
	}
}

func TestRetrieveUnits(t *testing.T) {
	from := source.Options{ScoresPath: pipelinetest.GoldenScores(t)}
	for _, test := range []struct {
		name    string
		neurons []string
		pairs   []string
		want    [][]string // units, sorted by name
	}{
		{"pairs alone", nil, []string{"h2n9", "h0n9", "h1n4"}, [][]string{{"h0n9", "h2n9", "n9"}, {"h1n4", "n4"}}},
		{"both, and twice", []string{"4"}, []string{"h2n9", "h1n4", "h2n9"}, [][]string{{"h0n4", "h1n4", "h2n4", "h3n4", "n4"}, {"h2n9", "n9"}}},
		{"by name and by number", []string{"N9", "4", "n2"}, nil, [][]string{{"h0n9", "h1n9", "h2n9", "h3n9", "n9"}, {"h0n4", "h1n4", "h2n4", "h3n4", "n4"}, {"h0n2", "h1n2", "h2n2", "h3n2", "n2"}}},
		{"all pairs of a neuron", nil, []string{"n4"}, [][]string{{"h0n4", "h1n4", "h2n4", "h3n4", "n4"}}},
	} {
		result := retrieve(t, Options{Options: from, Neurons: test.neurons, Pairs: test.pairs, Top: 1, Threads: 1})
		var got [][]string
		for _, n := range result.Neurons {
			var units []string
			for _, u := range n.Units {
				units = append(units, u.Unit)
			}
			slices.Sort(units)
			got = append(got, units)
		}
		if !slices.EqualFunc(got, test.want, slices.Equal) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	sums, shape := pipelinetest.GoldenDense(t, true)
	for want, o := range map[string]Options{
		"neuron 256":  {Options: from, Neurons: []string{"256"}},
		`unit "n256"`: {Options: from, Neurons: []string{"n256"}},
		"n4 is given twice: 4 is the same neuron": {Options: from, Neurons: []string{"4", "n4"}},
		`unit "h4n0"`:  {Options: from, Pairs: []string{"h4n0"}},
		"no neurons":   {Options: from},
		"{neur-idxs}":  {Options: source.Options{ScoresPath: sums, Shape: shape}, Pairs: []string{"h0n0"}},
		"want neurons": {Options: source.Options{ScoresPath: sums, Shape: shape}, Pairs: []string{"h0n0"}},
	} {
		o.Top = 1
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestRetrieveTies gives every image twice: of equal norms the earlier one
// comes first.
func TestRetrieveTies(t *testing.T) {
	dir := t.TempDir()
	for i, name := range pipelinetest.GoldenNames(t)[:8] {
		copyFile(t, testutil.Golden("dataset/"+name), filepath.Join(dir, string(rune('a'+i))+"1.png"))
		copyFile(t, testutil.Golden("dataset/"+name), filepath.Join(dir, string(rune('a'+i))+"2.png"))
	}
	from := goldenImages()
	from.Data.Path = dir
	for _, n := range retrieve(t, Options{Options: from, Neurons: []string{"37"}, Top: 16, Threads: 2}).Neurons {
		for _, u := range n.Units {
			for i := 0; i < len(u.Top); i += 2 {
				if a, b := u.Top[i], u.Top[i+1]; a.Norm != b.Norm || b.Image != a.Image+1 {
					t.Errorf("%s: %s and then %s", u.Unit, a.Name, b.Name)
				}
			}
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRetrieveWords puts words beside units, also where some have no code.
func TestRetrieveWords(t *testing.T) {
	o := Options{Options: source.Options{ScoresPath: pipelinetest.GoldenScores(t)}, Neurons: []string{"37"}, Top: 2, Threads: 1}
	list, err := textlist.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	o.Words, o.Components = list, 3
	o.DecompositionPaths = []string{testutil.Golden("codes_nh_ref.npz"), testutil.Golden("codes_n_ref.npz")}
	for _, u := range retrieve(t, o).Neurons[0].Units {
		shape := unit.Shape{4, 256}
		coded := coding.DescribeOptions{Options: coding.Options{Words: o.Words, Components: 3, Units: []string{u.Unit}, PCsPath: testutil.Golden("pc0_nh.npy")}, DecompositionPath: o.DecompositionPaths[0]}
		if u.head == wholeNeuron {
			coded.DecompositionPath, coded.PCsPath, shape = o.DecompositionPaths[1], testutil.Golden("pc0_n.npy"), unit.Shape{256}
		}
		want, err := coding.Describe(context.Background(), coded)
		if err != nil {
			t.Fatal(err)
		}
		if want[0].Unit != shape.Name(want[0].Index) || !slices.Equal(u.Words, want[0].Terms) {
			t.Errorf("%s: %v, want %v", u.Unit, u.Words, want[0].Terms)
		}
	}
	o.DecompositionPaths = o.DecompositionPaths[1:]
	for _, u := range retrieve(t, o).Neurons[0].Units {
		if (len(u.Words) > 0) != (u.head == wholeNeuron) {
			t.Errorf("%s: words %v", u.Unit, u.Words)
		}
	}
	o.Words = o.Words[1:]
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "300") {
		t.Errorf("codes over other words: %v", err)
	}
}

// TestRetrieveDemo holds what is known of a few units of the trained model: heads
// pick kinds of things of a neuron's colour.
func TestRetrieveDemo(t *testing.T) {
	assets := filepath.Join("..", "..", "demo", "assets")
	data := dataset.Options{Kind: dataset.ImageNetVal, Path: filepath.Join(assets, "imagenet")}
	images, err := dataset.Open(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	class := map[string]string{}
	for _, item := range images.Items {
		class[item.Name] = images.Classes[item.Label]
	}
	o := Options{
		Options: source.Options{Model: filepath.Join(assets, demo.Model), BatchSize: 8, Stride: 1, Data: data},
		Neurons: []string{"498", "153", "281", "196"}, Top: 10, Threads: 2,
	}
	result := retrieve(t, o)
	for _, want := range []struct {
		unit, class string
		least       int // of ten
	}{
		{"n498", "blue", 10}, {"h2n498", "blue house", 8}, {"h5n498", "blue square", 8},
		{"n153", "green", 10}, {"h1n153", "green car", 6}, {"h2n153", "green butterfly", 8},
		{"n281", "black", 9}, {"h3n281", "black triangle", 6}, {"h6n281", "black tree", 6},
		{"n196", "black", 9}, {"h7n196", "black fish", 6}, {"h5n196", "black tree", 6},
	} {
		count := 0
		for _, n := range result.Neurons {
			for _, u := range n.Units {
				for _, r := range u.Top {
					if u.Unit == want.unit && strings.HasPrefix(class[r.Name], want.class) {
						count++
					}
				}
			}
		}
		if count < want.least {
			t.Errorf("%s: %d of 10 images show a %s, want %d", want.unit, count, want.class, want.least)
		}
	}
}
