package audit

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/usage"
)

// Heads that are planted in a vision transformer of 3 layers, by their numbers.
const (
	headLayers, layerHeads, headsDim = 3, 2, 8

	classHead, cueHead = 3, 5 // l1h1, l2h1
)

// plantHeads makes the images of c a collection of heads and MLPs: one head tells the classes,
// cues the group, all else is noise. It returns what heads add, [B,L,H,O].
func plantHeads(t testing.TB, c planted, cues ...int) (headsPath, mlpsPath string, heads, mlps []float32) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	noise := func(n int) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(0.05 * random.NormFloat64())
		}
		return values
	}
	each := headLayers * layerHeads * headsDim
	heads, mlps = noise(len(c.names)*each), noise(len(c.names)*(headLayers+1)*headsDim)
	for i := range c.names {
		add := func(head int, size float64) {
			heads[i*each+head*headsDim] += float32(size)
			heads[i*each+head*headsDim+1] -= float32(size)
		}
		add(classHead, map[string]float64{"ship": 1, "tram": -1}[c.label[i]]+0.3*random.NormFloat64())
		for _, cue := range cues {
			add(cue, (map[string]float64{"land": -1, "water": 1}[c.group[i]]+0.1*random.NormFloat64())/float64(len(cues)))
		}
		heads[i*each+2] += 4 // what all images share
	}
	dir := t.TempDir()
	save := func(kind string, axes []string, row []int, payload string, values []float32) string {
		path := filepath.Join(dir, kind)
		w, err := new(cache.Store).OpenChunks(path, cache.Plan{
			Kind: kind, Axes: axes, Row: row, DType: npy.Float32, Inputs: len(c.names), ChunkInputs: len(c.names), Payload: payload,
			Origin: origin.Origin{Model: "planted", Weights: strings.Repeat("a", 64), Transformer: &origin.Transformer{Activation: "gelu", Heads: layerHeads, Layers: headLayers, NeuronLayer: -1}},
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		c.finish(t, w, values)
		return path
	}
	headsPath = save(artefact.KindHeads, []string{"B", "L", "H", "O"}, []int{headLayers, layerHeads, headsDim}, "heads.npy", heads)
	mlpsPath = save(artefact.KindMLPs, []string{"B", "L", "O"}, []int{headLayers + 1, headsDim}, "mlps.npy", mlps)
	return headsPath, mlpsPath, heads, mlps
}

// TestHeads finds the head that carries the cue, and holds that what is measured without it are
// the features with what it adds at its mean.
func TestHeads(t *testing.T) {
	c := plant(t, small)
	o := c.options(t)
	var heads, mlps []float32
	var mlpsPath string
	o.ScoresPath, mlpsPath, heads, mlps = plantHeads(t, c, cueHead)
	o.Parts = []string{mlpsPath}
	var removed Removed
	o.CommandLines = func(r Removed) []string { removed = r; return []string{"edit"} }
	r := run(t, o)
	if r.Units != "heads" || r.Heads != headLayers*layerHeads || r.Neurons != 0 || r.Tried() != r.Heads || r.Found != 1 || r.Chosen != 1 {
		t.Fatalf("%d of %d %s found, %d chosen: %+v", r.Found, r.Tried(), r.Units, r.Chosen, r.Pairs)
	}
	p := r.Pairs[0]
	if p.Unit != "l2h1" || p.Index != cueHead || !p.Widens || p.R < 0.9 || len(p.Concepts) > 0 || len(p.Top) != o.TopImages {
		t.Errorf("head %+v", p)
	}
	if !removed.Layered || removed.Neurons || len(removed.Heads) != 1 || !slices.Equal(removed.Heads[0], []string{"l2h1"}) {
		t.Errorf("removed %+v", removed)
	}
	O, each := headsDim, headLayers*layerHeads*headsDim
	mean := make([]float64, O)
	for b := range c.names {
		for i := range O {
			mean[i] += float64(heads[b*each+cueHead*O+i]) / float64(len(c.names))
		}
	}
	right, margin, furthest := 0.0, 0.0, 0.0
	for b := range c.names {
		f, far := make([]float64, O), 0.0
		for i := range each {
			f[i%O] += float64(heads[b*each+i])
		}
		for i := range (headLayers + 1) * O {
			f[i%O] += float64(mlps[b*(headLayers+1)*O+i])
		}
		for i := range O {
			d := float64(heads[b*each+cueHead*O+i]) - mean[i]
			f[i] -= d
			far += d * d
		}
		furthest = max(furthest, math.Sqrt(far))
		length := 0.0
		for _, x := range f {
			length += x * x
		}
		m := 100 * (f[0] - f[1]) / math.Sqrt(length)
		if c.label[b] == "tram" {
			m = -m
		}
		if margin += m; m > 0 {
			right++
		}
	}
	// Groups are of equal sizes, so the means of the halves are those of both within their noise.
	n, after := float64(len(c.names)), 0.0
	for _, g := range r.After.Groups {
		after += g.Margin / float64(len(r.After.Groups))
	}
	if math.Abs(r.After.Mean-right/n) > 0.02 || math.Abs(after-margin/n) > 0.1*margin/n {
		t.Errorf("mean %.3f and margin %.2f without the head, %.3f and %.2f of all images", r.After.Mean, after, right/n, margin/n)
	}
	if math.Abs(p.Top[0].Score-furthest) > 1e-5 {
		t.Errorf("image %+v, want one %g from the mean", p.Top[0], furthest)
	}
	page, err := os.ReadFile(filepath.Join(o.Dir, pageFile))
	list, listErr := os.ReadFile(filepath.Join(o.Dir, listFile))
	if err := errors.Join(err, listErr); err != nil || string(list) != "l2h1\n" || !strings.Contains(string(page), "1 of 6 heads go with the groups") || !strings.Contains(string(page), "layer by layer") || strings.Contains(string(page), "pair's") {
		t.Errorf("%v: list %q, page\n%s", err, list, page)
	}
	run(t, o) // in the place of its own files
}

// TestHeadsByLayers holds that heads are edited from the last layer on.
func TestHeadsByLayers(t *testing.T) {
	c := plant(t, small)
	o := c.options(t)
	var mlps string
	o.ScoresPath, mlps, _, _ = plantHeads(t, c, 0, cueHead, 1)
	o.Parts = []string{mlps}
	var removed Removed
	o.CommandLines = func(r Removed) []string { removed = r; return []string{"edit"} }
	if r := run(t, o); r.Chosen != 3 || len(removed.Heads) != 2 {
		t.Fatalf("%d chosen of %+v, %q", r.Chosen, r.Pairs, removed.Heads)
	}
	slices.Sort(removed.Heads[1]) // as by their effects
	if !slices.Equal(removed.Heads[0], []string{"l2h1"}) || !slices.Equal(removed.Heads[1], []string{"l0h0", "l0h1"}) {
		t.Errorf("heads %q, want the last layer first", removed.Heads)
	}
}

func TestHeadsRefused(t *testing.T) {
	c := plant(t, small)
	heads, mlps, _, _ := plantHeads(t, c, cueHead)
	for want, change := range map[string]func(*Options){
		"heads alone, which do not sum to the features": func(o *Options) { o.Parts = nil },
		"heads, which have no components":               func(o *Options) { o.PCsPath = "pcs.npy" },
		"want contributions of heads":                   func(o *Options) { o.ScoresPath = c.scores },
	} {
		o := c.options(t)
		o.ScoresPath, o.Parts = heads, []string{mlps}
		change(&o)
		_, err := Run(context.Background(), o, silent())
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, usage.Err) != strings.Contains(want, "components") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
