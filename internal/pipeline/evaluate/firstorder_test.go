package evaluate

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// firstOrder is the golden features taken apart.
type firstOrder struct {
	B, L, H, T, O       int
	heads, mlps, tokens []float32
}

func goldenFirstOrder(t *testing.T) firstOrder {
	t.Helper()
	read := func(name string) ([]float32, []int) {
		data, shape, err := npy.ReadFloat32(testutil.GoldenViT("gelu/" + name + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		return data, shape
	}
	g := firstOrder{}
	var shape []int
	g.tokens, shape = read("first_tokens")
	g.B, g.L, g.T, g.H, g.O = shape[0], shape[1], shape[2], shape[3], shape[4]
	g.heads, _ = read("first_heads")
	g.mlps, _ = read("first_mlps")
	return g
}

// features sums what keep says of heads, class tokens (of a whole layer) and MLPs; the others
// have their means.
func (g firstOrder) features(head func(l, h int) bool, class, mlps bool) []float32 {
	f := make([]float64, g.B*g.O)
	add := func(part func(b, o int) float32, kept bool, sign float64) {
		for o := range g.O {
			mean := 0.0
			for b := range g.B {
				mean += float64(part(b, o)) / float64(g.B)
			}
			for b := range g.B {
				x := mean
				if kept {
					x = float64(part(b, o))
				}
				f[b*g.O+o] += sign * x
			}
		}
	}
	for l := range g.L + 1 {
		add(func(b, o int) float32 { return g.mlps[(b*(g.L+1)+l)*g.O+o] }, mlps, 1)
	}
	for l := range g.L {
		for h := range g.H {
			add(func(b, o int) float32 { return g.heads[((b*g.L+l)*g.H+h)*g.O+o] }, head(l, h), 1)
			if class || !head(l, h) {
				continue
			}
			first := func(b, o int) float32 { return g.tokens[((b*g.L+l)*g.T*g.H+h)*g.O+o] }
			add(first, true, -1)
			add(first, false, 1)
		}
	}
	out := make([]float32, len(f))
	for i, x := range f {
		out[i] = float32(x)
	}
	return out
}

// collectParts collects the golden images' parts as float32, and returns the paths by mode.
func collectParts(t *testing.T, published bool) map[string]string {
	t.Helper()
	return collectPartsAs(t, published, npy.Float32)
}

func collectPartsAs(t *testing.T, published bool, dtype npy.DType) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for _, mode := range []string{collect.ModeHeads, collect.ModeMLPs, collect.ModeClass} {
		o := collecttest.GoldenViT(t, mode, mode)
		o.Published, o.DType = published, dtype
		collecttest.Collect(t, o)
		paths[mode] = o.SavePath
	}
	return paths
}

// TestAblateFirstOrder compares the features of every mode with those that the goldens give,
// for any number of threads.
func TestAblateFirstOrder(t *testing.T) {
	g, paths := goldenFirstOrder(t), collectParts(t, false)
	all := func(l, h int) bool { return true }
	var want []float32
	want = append(want, g.features(all, true, false)...)
	want = append(want, g.features(all, false, true)...)
	want = append(want, g.features(all, false, false)...)
	for last := range g.L {
		want = append(want, g.features(func(l, h int) bool { return l > last }, true, true)...)
	}
	for last := range g.L { // all three
		want = append(want, g.features(func(l, h int) bool { return l > last }, false, false)...)
	}
	want = append(want, g.features(func(l, h int) bool { return l != 3 && (l != 1 || h != 2) }, true, true)...)
	half := collectPartsAs(t, false, npy.DType{})
	var bytes []byte
	for _, threads := range []int{1, 3, 0} {
		paths, within := paths, pipelinetest.Rounding
		if threads == 0 { // as float16, which is what is kept where nothing else is asked for
			paths, within, threads, bytes = half, 1e-3, 1, nil
		}
		o := AblateOptions{
			Options: source.Options{ScoresPath: paths[collect.ModeHeads], Parts: []string{paths[collect.ModeClass], paths[collect.ModeMLPs]}},
			Modes:   FirstOrderModes(), Units: []string{"l1h2", "l3", "l3h0"}, FeaturesPath: filepath.Join(t.TempDir(), "features.npy"), Threads: threads,
		}
		r, err := Ablate(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		got, _ := pipelinetest.ReadNPY(t, o.FeaturesPath)
		if err := testutil.Far(got, want, within); err != nil {
			t.Error(err)
		}
		if early := r.Variants[3+g.L]; early.Kept != (g.L-1)*g.H || early.Variant != "mlps+cls_attn+layers l0" {
			t.Errorf("all together: %+v", early)
		}
		if last := r.Variants[len(r.Variants)-1]; last.Kept != g.L*g.H-5 || last.Units != g.L*g.H || last.Variant != AblateHeads {
			t.Errorf("heads by name: %+v", last)
		}
		file, err := os.ReadFile(o.FeaturesPath)
		if err != nil || bytes != nil && string(file) != string(bytes) {
			t.Errorf("%d threads: other bytes, %v", threads, err)
		}
		bytes = file
	}
}

// TestAblateFirstOrderRefuses refuses parts that do not belong together.
func TestAblateFirstOrderRefuses(t *testing.T) {
	paths, published := collectParts(t, false), collectParts(t, true)
	foreign := filepath.Join(t.TempDir(), "attn.npy")
	f, err := os.Create(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.WriteFloat32(f, []int{8, 5, 4, 23}, make([]float32, 8*5*4*23)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	heads, mlps, class := paths[collect.ModeHeads], paths[collect.ModeMLPs], paths[collect.ModeClass]
	for _, test := range []struct {
		name  string
		heads string
		parts []string
		modes []string
		units []string
		want  string
	}{
		{"no MLPs", heads, nil, []string{AblateLayers}, nil, "heads alone, which do not sum to the features"},
		{"no class tokens", heads, []string{mlps}, []string{AblateClass}, nil, "{mode} cls_attn needs what heads add by the class token"},
		{"MLPs twice", heads, []string{mlps, mlps}, []string{AblateMLPs}, nil, "mlps, which " + mlps + " has too"},
		{"MLPs for heads", mlps, []string{heads}, []string{AblateMLPs}, nil, "it holds contributions of mlps, want contributions of heads"},
		{"another form", heads, []string{published[collect.ModeMLPs]}, []string{AblateMLPs}, nil, "parts of features as unit vectors"},
		{"another size", foreign, []string{mlps}, []string{AblateMLPs}, nil, "want 8x6x23 of mlps or 8x5x23 of class parts"},
		{"pairs too", heads, []string{mlps}, []string{AblateMLPs, AblatePairs}, nil, "want one command for each"},
		{"no heads", heads, []string{mlps}, []string{AblateHeads}, nil, "needs the names of heads"},
		{"no such head", heads, []string{mlps}, []string{AblateHeads}, []string{"l5h0"}, `unit "l5h0": want a head, l0h0 to l4h3`},
		{"an attention pool's head", heads, []string{mlps}, []string{AblateHeads}, []string{"h3"}, `unit "h3": a name in a ResNet, and these units are of a vision transformer: want a head, l0h0 to l4h3`},
		{"a mode of pairs", heads, []string{mlps, class}, []string{AblatePairs}, nil, "want scores"},
	} {
		o := AblateOptions{
			Options: source.Options{ScoresPath: test.heads, Parts: test.parts}, Modes: test.modes, Units: test.units,
			FeaturesPath: filepath.Join(t.TempDir(), "features.npy"), Threads: 1,
		}
		_, err := Ablate(t.Context(), o, pipelinetest.Silent())
		if bad := testutil.Line(err, test.want); bad != nil {
			t.Errorf("%s: %v", test.name, bad)
		}
	}
}

// TestAblateAttentionPool ablates heads of an attention pool by name: they sum to the feature.
func TestAblateAttentionPool(t *testing.T) {
	o := collecttest.GoldenImages(t, "heads")
	o.Mode = collect.ModeHeads
	collecttest.Collect(t, o)
	heads, shape := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, "heads.npy"))
	B, H, O := shape[0], shape[1], shape[2]
	want := make([]float32, B*O)
	for d := range O {
		mean := 0.0
		for b := range B {
			mean += float64(heads[(b*H+1)*O+d]) / float64(B)
		}
		for b := range B {
			sum := mean
			for h := range H {
				if h != 1 {
					sum += float64(heads[(b*H+h)*O+d])
				}
			}
			want[b*O+d] = float32(sum)
		}
	}
	a := AblateOptions{
		Options: source.Options{ScoresPath: o.SavePath}, Modes: []string{AblateHeads}, Units: []string{"h1"},
		FeaturesPath: filepath.Join(t.TempDir(), "features.npy"), Threads: 2,
	}
	if _, err := Ablate(t.Context(), a, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	got, _ := pipelinetest.ReadNPY(t, a.FeaturesPath)
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
		t.Error(err)
	}
	a.Modes = []string{AblateMLPs}
	_, err := Ablate(t.Context(), a, pipelinetest.Silent())
	if bad := testutil.Line(err, "whose model has no MLPs after them"); bad != nil {
		t.Error(bad)
	}
}
