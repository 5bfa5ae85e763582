package textspan

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
)

// rounding is that of outputs and rebuilt ones in float32.
const rounding = 1e-5

func read(t testing.TB, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.GoldenViT(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// momentsOf returns the moments of n outputs, one every stride elements, added in blocks.
func momentsOf(rows []float32, n, stride, outDim, block int) *Moments {
	mean := make([]float64, outDim)
	for b := range n {
		for o := range mean {
			mean[o] += float64(rows[b*stride+o]) / float64(n)
		}
	}
	m := NewMoments(mean)
	for lo := 0; lo < n; lo += block {
		m.Add(rows[lo*stride:], min(block, n-lo), stride)
	}
	return m
}

// TestGolden compares the texts and the rebuilt outputs of head 0 of the last layer with
// those of the independent implementation.
func TestGolden(t *testing.T) {
	var manifest struct {
		Checks map[string]struct {
			Picks []int `json:"textspan_picks"`
		}
	}
	file, err := os.ReadFile(testutil.GoldenViT("manifest.json"))
	if err == nil {
		err = json.Unmarshal(file, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	texts, _ := read(t, "texts.npy")
	for _, activation := range []string{"gelu", "quick_gelu"} {
		heads, shape := read(t, activation+"/first_heads.npy") // [B,L,H,O]
		want, _ := read(t, activation+"/textspan_reconstruction.npy")
		B, L, H, O := shape[0], shape[1], shape[2], shape[3]
		head := heads[(L-1)*H*O:]
		m := momentsOf(head, B, L*H*O, O, 3)
		picks := manifest.Checks[activation].Picks
		if len(picks) == 0 {
			t.Fatal("no picks in the manifest")
		}
		s, err := Find(m, texts, Options{Texts: len(picks), Rank: min(12, O, B)})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Texts, picks) {
			t.Errorf("%s: texts %v, want %v", activation, s.Texts, picks)
		}
		got := make([]float32, B*O)
		scratch := make([]float64, O)
		for b := range B {
			s.Rebuild(got[b*O:(b+1)*O], head[b*L*H*O:][:O], m.mean, scratch)
		}
		if err := testutil.Far(got, want, rounding); err != nil {
			t.Errorf("%s: rebuilt: %v", activation, err)
		}
	}
}

// published does what the published script does, on the outputs themselves: rows [B,O],
// texts [M,O].
func published(t *testing.T, rows, texts []float32, outDim int, o Options) (picks []int, rebuilt []float32) {
	t.Helper()
	dense := func(x []float32) *mat.Dense {
		d := mat.NewDense(len(x)/outDim, outDim, nil)
		for i, v := range x {
			d.Set(i/outDim, i%outDim, float64(v))
		}
		return d
	}
	data, words := dense(rows), dense(texts)
	B, M := data.RawMatrix().Rows, words.RawMatrix().Rows
	var svd mat.SVD
	if !svd.Factorize(data, mat.SVDThin) {
		t.Fatal("no singular vectors")
	}
	var v, onto, projected mat.Dense
	svd.VTo(&v) // [O,min(B,O)]
	first := v.Slice(0, outDim, 0, min(o.Rank, min(B, outDim)))
	onto.Mul(first, first.T())
	projected.Mul(words, &onto)
	mean := make([]float64, outDim)
	for b := range B {
		for i, x := range data.RawRowView(b) {
			mean[i] += x / float64(B)
		}
	}
	sum := mat.NewDense(B, outDim, nil)
	for b := range B {
		for i := range outDim {
			sum.Set(b, i, mean[i])
			data.Set(b, i, data.At(b, i)-mean[i])
		}
	}
	for range o.Texts {
		var along mat.Dense
		along.Mul(data, projected.T())
		best, most := -1, -1.0
		for w := range M {
			squares, total := 0.0, 0.0
			for b := range B {
				total += along.At(b, w) / float64(B)
			}
			for b := range B {
				squares += (along.At(b, w) - total) * (along.At(b, w) - total)
			}
			if squares > most {
				best, most = w, squares
			}
		}
		picks = append(picks, best)
		text := mat.NewVecDense(outDim, slices.Clone(projected.RawRowView(best)))
		norm := mat.Dot(text, text)
		var part, both mat.Dense
		var onData, onTexts mat.VecDense
		onData.MulVec(data, text)
		onData.ScaleVec(1/norm, &onData)
		part.Outer(1, &onData, text)
		sum.Add(sum, &part)
		data.Sub(data, &part)
		onTexts.MulVec(&projected, text)
		onTexts.ScaleVec(1/norm, &onTexts)
		both.Outer(1, &onTexts, text)
		projected.Sub(&projected, &both)
	}
	for _, x := range sum.RawMatrix().Data {
		rebuilt = append(rebuilt, float32(x))
	}
	return picks, rebuilt
}

// outputs are those of a head of width D, [B,O], with a mean.
func outputs(rnd *rand.Rand, B, D, O int) []float32 {
	out := make([]float64, D*O)
	for i := range out {
		out[i] = rnd.NormFloat64()
	}
	rows := make([]float32, B*O)
	for b := range B {
		for d := range D {
			z := rnd.NormFloat64() / float64(1+d)
			for o := range O {
				rows[b*O+o] += float32(z * out[d*O+o])
			}
		}
		for o := range O {
			rows[b*O+o] += float32(math.Sin(float64(o)))
		}
	}
	return rows
}

func randomTexts(rnd *rand.Rand, M, O int) []float32 {
	texts := make([]float32, M*O)
	for i := range texts {
		texts[i] = float32(rnd.NormFloat64())
	}
	return texts
}

// TestPublished compares with the published form on the outputs themselves.
func TestPublished(t *testing.T) {
	for _, test := range []struct {
		name             string
		B, D, O, M, K, R int
	}{
		{"fewer images than dimensions", 12, 16, 20, 60, 6, 10},
		{"rank below the head's width", 300, 16, 24, 500, 8, 9},
		{"rank of the head", 300, 9, 24, 500, 8, 10}, // 9 and the mean
		{"one text", 50, 4, 8, 1, 1, 5},
	} {
		rnd := rand.New(rand.NewPCG(1, uint64(test.B)))
		rows, texts := outputs(rnd, test.B, test.D, test.O), randomTexts(rnd, test.M, test.O)
		o := Options{Texts: test.K, Rank: test.R}
		want, wantRows := published(t, rows, texts, test.O, o)
		m := momentsOf(rows, test.B, test.O, test.O, 64)
		s, err := Find(m, texts, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Texts, want) {
			t.Errorf("%s: texts %v, want %v", test.name, s.Texts, want)
			continue
		}
		got, left, all := make([]float32, len(rows)), 0.0, 0.0
		scratch := make([]float64, test.O)
		for b := range test.B {
			row := rows[b*test.O : (b+1)*test.O]
			s.Rebuild(got[b*test.O:(b+1)*test.O], row, m.mean, scratch)
			for o, x := range row {
				left += math.Pow(float64(x-got[b*test.O+o]), 2)
				all += math.Pow(float64(x)-m.mean[o], 2)
			}
		}
		if err := testutil.Far(got, wantRows, rounding); err != nil {
			t.Errorf("%s: rebuilt: %v", test.name, err)
		}
		if got, want := s.Explained[test.K-1], 1-left/all; math.Abs(got-want) > rounding {
			t.Errorf("%s: explained %g, want %g", test.name, got, want)
		}
		if !slices.IsSorted(s.Explained) {
			t.Errorf("%s: explained %v does not grow", test.name, s.Explained)
		}
	}
}

// TestTies takes the first of equal texts, and none that explains nothing.
func TestTies(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const B, O = 40, 10
	rows, texts := outputs(rnd, B, 3, O), randomTexts(rnd, 20, O)
	m := momentsOf(rows, B, O, O, B)
	s, err := Find(m, texts, Options{Texts: 9, Rank: 8})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Texts) != 4 || s.Rank != 4 || s.Explained[len(s.Texts)-1] < 1-1e-9 {
		t.Errorf("outputs of 3 dimensions around a mean: texts %v of rank %d that explain %v", s.Texts, s.Rank, s.Explained)
	}
	first := s.Texts[0]
	twice := append(slices.Clone(texts[first*O:(first+1)*O]), texts...)
	again, err := Find(m, twice, Options{Texts: 3, Rank: 8})
	if err != nil || again.Texts[0] != 0 || slices.Contains(again.Texts, first+1) {
		t.Errorf("with text %d in front too: texts %v, %v", first, again.Texts, err)
	}
	constant := make([]float32, B*O)
	for i := range constant {
		constant[i] = float32(i % O)
	}
	if s, err := Find(momentsOf(constant, B, O, O, 7), texts, Options{Texts: 3, Rank: 8}); err != nil || len(s.Texts) != 0 {
		t.Errorf("outputs that do not vary: texts %v, %v", s.Texts, err)
	}
}

// TestRounding leaves out what rounding to float16 adds to the span of a head.
func TestRounding(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	const B, D, O = 600, 6, 128
	rows, texts := outputs(rnd, B, D, O), randomTexts(rnd, 50, O)
	for i, x := range rows {
		fraction, exponent := math.Frexp(float64(x))
		rows[i] = float32(math.Ldexp(math.RoundToEven(fraction*(1<<11))/(1<<11), exponent))
	}
	m := momentsOf(rows, B, O, O, B)
	for rounding, want := range map[float64]int{0: O, Float32: O, Float16: D + 1} { // and the mean
		if s, err := Find(m, texts, Options{Texts: 3, Rank: O, Rounding: rounding}); err != nil || s.Rank != want {
			t.Errorf("rounding %g: rank %d, want %d, %v", rounding, s.Rank, want, err)
		}
	}
}

// BenchmarkFind is a head of ViT-L/14 with the published number of texts.
func BenchmarkFind(b *testing.B) {
	rnd := rand.New(rand.NewPCG(5, 6))
	const B, D, O, M = 1000, 64, 768, 3498
	rows, texts := outputs(rnd, B, D, O), randomTexts(rnd, M, O)
	m := momentsOf(rows, B, O, O, 128)
	for b.Loop() {
		if _, err := Find(m, texts, Options{Texts: 20, Rank: 80}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd adds outputs of a head of ViT-L/14.
func BenchmarkAdd(b *testing.B) {
	rows := randomTexts(rand.New(rand.NewPCG(7, 8)), 128, 768)
	m := NewMoments(make([]float64, 768))
	for b.Loop() {
		m.Add(rows, 128, 768)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(128*b.N), "ns/image")
}
