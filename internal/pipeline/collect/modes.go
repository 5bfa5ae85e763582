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
func checkDevice(device, mode string, m *model.Model) error {
	if device == "" || slices.Contains(DeviceModes, mode) && (mode != ModeHeads || m.RequireViT() != nil) {
		return nil
	}
	return usage.Errorf("{device} %s: {mode} %s of a %s: %w", device, mode, m.Config.Family(), errOnDevice)
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
	published   bool // parts of features as unit vectors
}

// ofFamily returns the error of a mode that models of this family do not have. Those of
// registers are no modes that could be chosen.
func (o modeOptions) ofFamily(family error) error {
	if family == nil || !slices.Contains(Modes, o.name) {
		return family
	}
	return usage.Errorf("{mode} %s: %w", o.name, family)
}

// newMode returns the mode that o asks for.
func newMode(o modeOptions, m *model.Model) (mode, error) {
	team, c := par.NewTeam(o.threads), m.Config
	if meansOnly(o.name) && !o.mean {
		return nil, usage.Errorf("{mode} %s is a mean over the images: want {mean} with it", o.name)
	}
	if part, ok := residualParts[o.name]; ok && (o.name != ModeHeads || m.RequireViT() == nil) {
		if o.neuronLayer != nil {
			return nil, usage.Errorf("{neuron-layer} is for pairs, not for {mode} %s", o.name)
		}
		return residualMode{c, part, o.published}, o.ofFamily(m.RequireViT())
	}
	if o.published {
		return nil, usage.Errorf("{form} published is for the parts of a vision transformer's features, {mode} heads, mlps, tokens or cls_attn")
	}
	if o.name == ModeFeatures {
		if o.neuronLayer != nil {
			return nil, usage.Errorf("{neuron-layer} is for pairs, not for {mode} %s", o.name)
		}
		return featuresMode{c}, nil
	}
	if !KeepsScores(o.name) && o.name != ModeActivations || o.name == ModeLens {
		if err := m.RequireResNet(); err != nil {
			return nil, o.ofFamily(err)
		}
	}
	pairs, err := m.Pairs(o.neuronLayer)
	if err != nil {
		return nil, err
	}
	blocks := c.Layers[len(c.Layers)-1]
	s := scoresMode{config: c, pairs: pairs}
	switch o.name {
	case ModeAttention:
		return attentionMode{c}, nil
	case ModeActivations:
		if !pairs.Whole() {
			return layerActivationsMode{c, pairs}, nil
		}
		return activationsMode{c}, nil
	case ModeLayer4:
		return layer4Mode{c, blocks, team}, nil
	case modeSinkDrops:
		return &sinkDropsMode{config: c}, nil
	case modeSinkChanges:
		return &sinkChangesMode{scoresMode: s, team: team}, nil
	case ModeHeads:
		return headsMode{s, team}, nil
	case ModeLens:
		if o.lens < 0 || o.lens >= blocks {
			return nil, usage.Errorf("{lens-idx} %d: want a block of the last stage, 0 to %d", o.lens, blocks-1)
		}
		s.lens = []int{o.lens}
	}
	if o.summary {
		return summaryMode{s}, nil
	}
	if o.statistics {
		return statisticsMode{s, team}, nil
	}
	if !o.writtenOut {
		return s, nil
	}
	return contributionsMode{s, o.name == ModeNeurons, team}, nil
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
