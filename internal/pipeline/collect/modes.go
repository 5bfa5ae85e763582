package collect

import (
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// The modes of Collect, by the reference's names.
const (
	ModePairs       = "neurons+heads"      // contributions of neuron-head pairs
	ModeNeurons     = "neurons"            // the same summed over heads
	ModeHeads       = "heads"              // the same summed over neurons
	ModeLens        = "neurons+heads_lens" // those of another block's map
	ModeAttention   = "attns"              // of every token to every token
	ModeActivations = "neuron_acts"        // tokens before the positional embedding, or neurons of a layer of a vision transformer
	ModeLayer4      = "layer4"             // mean norms of the last stage's maps and of token contributions

	// Of vision transformers, as ModeHeads is too: what each part adds to the feature.
	ModeMLPs   = "mlps"     // each layer's MLP
	ModeTokens = "tokens"   // each token that a head reads
	ModeClass  = "cls_attn" // the class token that each layer's heads read

	ModeFeatures = "features" // the image feature itself, of any image tower
)

// Modes lists the modes of Collect.
var Modes = []string{ModePairs, ModeNeurons, ModeHeads, ModeLens, ModeAttention, ModeActivations, ModeLayer4, ModeMLPs, ModeTokens, ModeClass, ModeFeatures}

// DeviceModes are the modes that a device can compute: of what a graph in ONNX has.
var DeviceModes = []string{ModePairs, ModeNeurons, ModeHeads, ModeFeatures}

// checkDevice returns an error of a mode that a device cannot compute. An empty device is
// this program.
func checkDevice(o Options, m *model.Model) error {
	if o.Device == "" {
		return nil
	}
	v, err := variantOf(o.Mode, m)
	switch {
	case err == nil && v.published != nil && o.Published:
		return usage.Errorf("{device} %s: a graph gives scores, to which {form} published adds what pairs share: want {form} own", o.Device)
	case err != nil || v.device:
		return nil // newMode says what is wrong
	}
	return usage.Errorf("{device} %s: {mode} %s of a %s: %w", o.Device, o.Mode, m.Config.Family(), errOnDevice)
}

// meansOnly reports whether a mode is defined as a mean over images.
func meansOnly(mode string) bool { return mode == ModeLayer4 || mode == modeSinkChanges }

// KeepsScores reports whether the folders of a mode hold scores.
func KeepsScores(mode string) bool {
	return mode == ModePairs || mode == ModeNeurons || mode == ModeLens
}

// mode is what Collect keeps. Of each image the tower computes values; means
// are taken of these; and of the values, or their mean, a row is made.
type mode interface {
	// start packs the image tower and returns what computes values of images.
	start(from towers, o clip.ImageOptions) (*started, error)
	// values is how many of them an image has.
	values() int
	// label names value i of an image.
	label(i int) string
	// row says what is written.
	row() row
	// rowBuilder returns what makes a row of an image's values; nil where the
	// row is the values.
	rowBuilder() (func(row, values []float32), error)
}

// started is a mode whose tower is packed.
type started struct {
	tower   clip.ImageTower
	options clip.ImageOptions                    // of the tower
	compute func(values, images []float32) error // writes the values [B,values] of images

	// features are the image features of the last call of compute, [B,O], where they are
	// kept beside the values; else nil.
	features []float32
}

// onTower starts a mode on a tower of any family.
func onTower(from towers, o clip.ImageOptions, output func(values []float32) clip.Output) (*started, error) {
	t, err := from.image(o)
	return &started{tower: t, options: o, compute: func(values, images []float32) error { return t.Run(images, output(values)) }}, err
}

// onResNet starts a mode on a ResNet's tower.
func onResNet(from towers, o clip.ImageOptions, run func(values []float32, t *clip.ResNetTower, images []float32) error) (*started, error) {
	if from.device != nil {
		return nil, errOnDevice
	}
	t, err := clip.NewResNetTower(from.checkpoint, o)
	return &started{tower: t, options: o, compute: func(values, images []float32) error { return run(values, t, images) }}, err
}

// row is what is written of one image.
type row struct {
	kind, meanKind string // of artefacts
	file           string // the rows' name in a folder
	axes           []string
	shape          []int
	// ov reads the weights that contributions follow with, which go beside the rows; nil
	// where none do.
	ov func() (*decomp.OV, error)
	// matrices reads those that rows of factors are multiplied by, which go beside them; nil
	// where rows are no factors.
	matrices func() (*decomp.Factors, error)
}

// modeOptions say what is kept of each image.
type modeOptions struct {
	name       string // one of Modes, or of those that Registers runs
	lens       int    // the block that ModeLens looks at
	mean       bool   // only the mean
	statistics bool   // sums and extremes in place of scores
	summary    bool   // these without features
	writtenOut bool   // contributions in place of scores
	threads    int

	neuronLayer *int // of a vision transformer, whose neurons' pairs are looked at
	published   bool // the form of published caches
	factored    bool // what heads of a vision transformer add as factors
}

// ofFamily returns the error of a mode that models of this family do not have. Those of
// registers are no modes that could be chosen.
func (o modeOptions) ofFamily(family error) error {
	if family == nil || !slices.Contains(Modes, o.name) {
		return family
	}
	return usage.Errorf("{mode} %s: %w", o.name, family)
}

// A variant is how image towers with a structure have a mode. Modes that all of them have
// in the same way have one variant for each structure, and share how it is built.
type variant struct {
	of     clip.Structure
	device bool // one can compute it
	// part is what a residual is taken apart into; else build makes the mode, of pairs unless
	// it is about features alone.
	part     *residualPart
	features bool
	build    func(builder) (mode, error)

	published func(builder) (mode, error) // makes the published form; nil where it is not known, and of parts
}

// builder is what modes are made of.
type builder struct {
	modeOptions
	scoresMode
	team par.Team
}

// variants are those of each mode.
var variants = map[string][]variant{
	ModePairs:       ofPairs(variant{device: true, build: builder.scores}),
	ModeNeurons:     ofPairs(variant{device: true, build: builder.scores}),
	ModeLens:        {{of: clip.AttentionPool, build: builder.lensScores}},
	ModeAttention:   {{of: clip.AttentionPool, build: func(b builder) (mode, error) { return attentionMode{b.config}, nil }}},
	ModeLayer4:      {{of: clip.AttentionPool, build: func(b builder) (mode, error) { return layer4Mode{b.config, b.blocks(), b.team}, nil }}},
	modeSinkDrops:   {{of: clip.AttentionPool, build: func(b builder) (mode, error) { return &sinkDropsMode{config: b.config}, nil }}},
	modeSinkChanges: {{of: clip.AttentionPool, build: func(b builder) (mode, error) { return &sinkChangesMode{scoresMode: b.scoresMode, team: b.team}, nil }}},
	ModeHeads: {
		{of: clip.AttentionPool, device: true, build: func(b builder) (mode, error) { return headsMode{b.scoresMode, b.team}, nil }},
		{of: clip.Residual, part: &headParts},
	},
	ModeActivations: {
		{of: clip.AttentionPool, build: func(b builder) (mode, error) { return activationsMode{b.config}, nil }},
		{of: clip.Residual, build: func(b builder) (mode, error) { return layerActivationsMode{b.config, b.pairs}, nil }},
	},
	ModeMLPs:     {{of: clip.Residual, part: &mlpParts}},
	ModeTokens:   {{of: clip.Residual, part: &tokenParts}},
	ModeClass:    {{of: clip.Residual, part: &classParts}},
	ModeFeatures: everywhere(variant{device: true, features: true, build: func(b builder) (mode, error) { return featuresMode{b.config}, nil }}),
}

// everywhere are the variants of a mode that all image towers have in the same way.
func everywhere(v variant) []variant {
	pool, residual := v, v
	pool.of, residual.of = clip.AttentionPool, clip.Residual
	return []variant{pool, residual}
}

// ofPairs are those everywhere, of which pairs that are a part of the feature have a published
// form.
func ofPairs(v variant) []variant {
	all := everywhere(v)
	all[1].published = builder.publishedScores
	return all
}

// variantOf returns that of a model, or the reason why it has none.
func variantOf(mode string, m *model.Model) (variant, error) {
	var missing error
	for _, v := range variants[mode] {
		if missing = m.Require(v.of); missing == nil {
			return v, nil
		}
	}
	return variant{}, missing
}

// newMode returns the mode that o asks for.
func newMode(o modeOptions, m *model.Model) (mode, error) {
	if meansOnly(o.name) && !o.mean {
		return nil, usage.Errorf("{mode} %s is a mean over the images: want {mean} with it", o.name)
	}
	v, err := variantOf(o.name, m)
	if err != nil {
		return nil, o.ofFamily(err)
	}
	b := builder{modeOptions: o, scoresMode: scoresMode{config: m.Config}, team: par.NewTeam(o.threads)}
	switch {
	case o.neuronLayer != nil && (v.part != nil || v.features):
		return nil, usage.Errorf("{neuron-layer} is for pairs, not for {mode} %s", o.name)
	case v.part != nil && v.part.factors != nil && o.factored:
		return &factorsMode{residualMode{m.Config, *v.part, false}, *v.part.factors, m.Checkpoint, b.team, nil}, nil
	case v.part != nil:
		return residualMode{m.Config, *v.part, o.published}, nil
	case o.published && v.published == nil:
		return nil, usage.Errorf("{form} published is for the parts of a vision transformer's features, {mode} heads, mlps, tokens or cls_attn, and for its neurons, {mode} %s or %s", ModePairs, ModeNeurons)
	case !v.features:
		if b.pairs, err = m.Pairs(o.neuronLayer); err != nil {
			return nil, err
		}
	}
	if o.published {
		return v.published(b)
	}
	return v.build(b)
}

// blocks are those of the last stage of a ResNet.
func (b builder) blocks() int { return b.config.Layers[len(b.config.Layers)-1] }

// lensScores are the scores of another block of the last stage.
func (b builder) lensScores() (mode, error) {
	if b.modeOptions.lens < 0 || b.modeOptions.lens >= b.blocks() {
		return nil, usage.Errorf("{lens-idx} %d: want a block of the last stage, 0 to %d", b.modeOptions.lens, b.blocks()-1)
	}
	b.scoresMode.lens = []int{b.modeOptions.lens}
	return b.scores()
}

// scores are scores, or what is kept in their place.
func (b builder) scores() (mode, error) {
	switch {
	case b.summary:
		return summaryMode{b.scoresMode}, nil
	case b.statistics:
		return statisticsMode{b.scoresMode, b.team}, nil
	case b.writtenOut:
		return contributionsMode{b.scoresMode, b.name == ModeNeurons, b.team}, nil
	}
	return b.scoresMode, nil
}

// scoresMode keeps the scores of pairs.
type scoresMode struct {
	config clip.Config
	pairs  clip.Pairs
	lens   []int // the block whose map is pooled, if not the last
}

func (s scoresMode) values() int { return s.pairs.Heads * s.pairs.Neurons }

func (s scoresMode) label(i int) string {
	return "score of " + unit.Layers{First: s.pairs.FirstLayer, Heads: s.pairs.LayerHeads}.Pair(i, s.pairs.Neurons)
}

func (s scoresMode) start(from towers, o clip.ImageOptions) (*started, error) {
	s.pairs.Want(&o)
	o.Lenses = s.lens
	if !s.pairs.Whole() {
		return s.startWithFeatures(from, o)
	}
	return s.startAlone(from, o)
}

// startAlone starts a mode on scores without features.
func (s scoresMode) startAlone(from towers, o clip.ImageOptions) (*started, error) {
	return onTower(from, o, func(values []float32) clip.Output {
		out := clip.Output{Scores: values}
		if s.lens != nil {
			out = clip.Output{Lenses: []clip.Output{out}}
		}
		return out
	})
}

func (s scoresMode) row() row {
	return row{
		kind: artefact.KindScores, meanKind: artefact.KindMeanScores, file: artefact.ScoresFile,
		axes: []string{"H", "C"}, shape: []int{s.pairs.Heads, s.pairs.Neurons}, ov: s.pairs.OV,
	}
}

func (s scoresMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// contributionsMode keeps contributions written out, of pairs or summed over
// heads.
type contributionsMode struct {
	scoresMode
	neurons bool
	team    par.Team
}

func (c contributionsMode) row() row {
	r := row{
		kind: artefact.KindDense, meanKind: artefact.KindMeans,
		axes: []string{"H", "C", "O"}, shape: []int{c.pairs.Heads, c.pairs.Neurons, c.config.OutDim},
	}
	if c.neurons {
		r.axes, r.shape = r.axes[1:], r.shape[1:]
	}
	return r
}

func (c contributionsMode) rowBuilder() (func(row, values []float32), error) {
	ov, err := c.pairs.OV()
	if err != nil {
		return nil, err
	}
	directions := ov.AllDirections(c.team)
	expand := ov.Contributions
	if c.neurons {
		expand = ov.NeuronContributions
	}
	return func(row, values []float32) { expand(row, values, directions, c.team) }, nil
}
