package evaluate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// The ablations of the first order: what whole parts of the model add to the feature is
// replaced by its mean over the images. Source: arXiv:2310.05916, section 3.2.
const (
	AblateMLPs         = "mlps"          // all MLPs, and the class token that enters the first layer
	AblateClass        = "cls_attn"      // what heads add by the class token that they read
	AblateMLPsAndClass = "mlps+cls_attn" // both
	AblateLayers       = "layers"        // the heads of the first layer, of the first two, and so on
	AblateHeads        = "heads"         // heads by name

	// AblateTogether is both MLPs and class tokens, and the heads of layers as AblateLayers has it.
	AblateTogether = AblateMLPsAndClass + "+" + AblateLayers
)

// FirstOrderModes are all of them.
func FirstOrderModes() []string {
	return []string{AblateMLPs, AblateClass, AblateMLPsAndClass, AblateLayers, AblateTogether, AblateHeads}
}

// IsFirstOrder reports whether a mode is one of FirstOrderModes.
func IsFirstOrder(mode string) bool { return slices.Contains(FirstOrderModes(), mode) }

// partMeans are the means of parts over images.
type partMeans struct {
	of     *artefact.FirstOrder
	heads  []float64 // [L,H,O]
	layers []float64 // [L,O], of the sum of each layer's heads
	class  []float64 // [L,O]; nil where there are no class tokens
	rest   []float64 // [O], of the sum of the MLPs
}

// readMeans reads all parts once.
func readMeans(ctx context.Context, src *source.Source, say ui.Reporter) (*partMeans, error) {
	f := src.FirstOrder
	O := f.OutDim
	m := &partMeans{of: f, heads: make([]float64, f.Heads.Each()), layers: make([]float64, f.Layers*O), rest: make([]float64, O)}
	if f.Class != nil {
		m.class = make([]float64, f.Layers*O)
	}
	progress := say.Progress()
	progress.Start(int64(f.Images), ui.Images, "means")
	defer progress.Done()
	err := src.Each(ctx, func(b source.Batch) error {
		p := b.Parts
		n := p.Images
		progress.Add(int64(n))
		addRows(m.heads, p.Heads[:n*len(m.heads)])
		addRows(m.layers, p.Layers[:n*len(m.layers)])
		addRows(m.rest, p.Rest[:n*O])
		if m.class != nil {
			addRows(m.class, p.Class[:n*len(m.class)])
		}
		return nil
	})
	for _, sums := range [][]float64{m.heads, m.layers, m.class, m.rest} {
		for i := range sums {
			sums[i] /= float64(f.Images)
		}
	}
	return m, err
}

// addRows adds rows [n,len(sums)] to sums.
func addRows[T float32 | float64](sums []float64, rows []T) {
	for len(rows) > 0 {
		for i, x := range rows[:len(sums)] {
			sums[i] += float64(x)
		}
		rows = rows[len(sums):]
	}
}

// replacement says which parts are replaced by their means.
type replacement struct {
	mlps, class bool
	layers      int   // the heads of the first so many
	heads       []int // others, by number
}

// feature writes that of image b of a batch to dst [O]; sum [O] is scratch.
func (m *partMeans) feature(dst []float32, sum []float64, p *source.Parts, b int, r replacement) {
	O, L := m.of.OutDim, m.of.Layers
	if rest := p.Rest[b*O:][:O]; r.mlps {
		copy(sum, m.rest)
	} else {
		copy(sum, rest)
	}
	for l := range L {
		row, mean := p.Layers[(b*L+l)*O:][:O], m.layers[l*O:][:O]
		if l < r.layers {
			row = mean
		}
		for o, x := range row {
			sum[o] += x
		}
		if !r.class || l < r.layers {
			continue
		}
		class, mean := p.Class[(b*L+l)*O:][:O], m.class[l*O:][:O]
		for o, x := range class {
			sum[o] += mean[o] - float64(x)
		}
	}
	each := len(m.heads)
	for _, h := range r.heads {
		row, mean := p.Heads[b*each+h*O:][:O], m.heads[h*O:][:O]
		for o, x := range row {
			sum[o] += mean[o] - float64(x)
		}
	}
	for o, x := range sum {
		dst[o] = float32(x)
	}
}

// features are those of a variant.
func (m *partMeans) features(r replacement) func(dst []float32, b source.Batch, w *workspace) error {
	O := m.of.OutDim
	return func(dst []float32, b source.Batch, w *workspace) error {
		w.team.For(b.Parts.Images, func(lo, hi, _ int) {
			sum := make([]float64, O)
			for i := lo; i < hi; i++ {
				m.feature(dst[i*O:(i+1)*O], sum, b.Parts, i, r)
			}
		})
		return nil
	}
}

// firstOrder returns the variants of all modes, which are of the first order.
func (a *ablater) firstOrder(ctx context.Context, say ui.Reporter) ([]variant, error) {
	f := a.src.FirstOrder
	if !f.Whole() {
		return nil, usage.Errorf("%s: heads alone, which do not sum to the features: want the MLPs of the same images in {parts}", f.Heads.Path)
	}
	for _, p := range []*artefact.Parts{f.MLPs, f.Class} {
		if p == nil {
			continue
		}
		if err := a.read("parts", p.Path, p.Artefact); err != nil {
			return nil, err
		}
	}
	var named []int
	for _, mode := range a.Modes {
		err := missingParts(mode, f)
		if mode == AblateHeads && err == nil {
			named, err = findHeads(f, a.Units, a.Except)
		}
		if err != nil {
			return nil, err
		}
	}
	means, err := readMeans(ctx, a.src, say)
	if err != nil {
		return nil, err
	}
	var variants []variant
	add := func(name string, replaced int, r replacement) {
		a.keeps(name, r)
		v := variant{VariantScore{Variant: name}, means.features(r)}
		if replaced > 0 {
			v.Units = f.Layers * f.LayerHeads
			v.Kept = v.Units - replaced
			v.KeptShare = float64(v.Kept) / float64(v.Units)
		}
		variants = append(variants, v)
	}
	for _, mode := range a.Modes {
		switch mode {
		case AblateLayers, AblateTogether:
			together := mode == AblateTogether
			for l := range f.Layers {
				add(strings.TrimSuffix(mode, AblateLayers)+layersName(l), (l+1)*f.LayerHeads, replacement{layers: l + 1, mlps: together, class: together})
			}
		case AblateHeads:
			add(mode, len(named), replacement{heads: named})
		default:
			add(mode, 0, replacement{mlps: mode != AblateClass, class: mode != AblateMLPs})
		}
	}
	return variants, nil
}

// layersName names the variant whose heads up to those of a layer are replaced.
func layersName(last int) string {
	if last == 0 {
		return AblateLayers + " l0"
	}
	return fmt.Sprintf("%s l0-l%d", AblateLayers, last)
}

// missingParts returns an error if a mode needs parts that were not given.
func missingParts(mode string, f *artefact.FirstOrder) error {
	names := strings.Split(mode, "+")
	switch {
	case slices.Contains(names, AblateMLPs) && f.MLPs == nil:
		return usage.Errorf("{mode} %s: %s has the heads of an attention pool, whose model has no MLPs after them", mode, f.Heads.Path)
	case slices.Contains(names, AblateClass) && f.Class == nil:
		return usage.Errorf("{mode} %s needs what heads add by the class token that they read in {parts}, which \"clipnh collect\" keeps in its mode cls_attn", mode)
	}
	return nil
}

// findHeads returns the heads that names label, or with except all others, without
// repetition. l10 stands for all heads of layer 10.
func findHeads(f *artefact.FirstOrder, names []string, except bool) ([]int, error) {
	if len(names) == 0 {
		return nil, usage.Errorf("{mode} heads needs the names of heads, {pairs} or {units-file}")
	}
	layers, total := f.HeadLayers(), f.Layers*f.LayerHeads
	named := make([]bool, total)
	for _, name := range names {
		if layer, ok := layers.FindLayer(name, f.Layers); ok {
			for h := range f.LayerHeads {
				named[layer*f.LayerHeads+h] = true
			}
			continue
		}
		h, ok := layers.FindHead(name, total)
		if !ok {
			return nil, layers.Unknown(name, fmt.Sprintf("a head, %s to %s", layers.Head(0), layers.Head(total-1)))
		}
		named[h] = true
	}
	var heads []int
	for h, is := range named {
		if is != except {
			heads = append(heads, h)
		}
	}
	return heads, nil
}
