package collect

import (
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// The modes of Collect that Registers runs.
const (
	modeSinkDrops   = "registers activations"
	modeSinkChanges = "registers contributions"
)

// sinkDropsMode keeps, for every neuron, by how much the class token's attention
// to the last token falls without it; see clip.SinkProbe.
type sinkDropsMode struct {
	config clip.Config
	probe  *clip.SinkProbe // once there is a tower
}

func (s *sinkDropsMode) values() int        { return s.config.Neurons() }
func (s *sinkDropsMode) label(i int) string { return "drop of " + unit.Neuron(i) }

func (s *sinkDropsMode) start(from towers, o clip.ImageOptions) (*started, error) {
	return onResNet(from, o, s.compute)
}

func (s *sinkDropsMode) compute(values []float32, t *clip.ResNetTower, images []float32) error {
	if s.probe == nil {
		s.probe = t.NewSinkProbe()
	}
	C, T := s.config.Neurons(), s.config.Tokens()
	tokens := make([]float32, len(values)*T)
	if err := t.Run(images, clip.Output{Tokens: tokens}); err != nil {
		return err
	}
	for i := range len(values) / C {
		s.probe.Drops(values[i*C:(i+1)*C], tokens[i*T*C:(i+1)*T*C])
	}
	return nil
}

func (s *sinkDropsMode) row() row {
	return row{kind: artefact.KindSinkDrops, meanKind: artefact.KindMeanSinkDrops, axes: []string{"C"}, shape: []int{s.config.Neurons()}}
}

func (s *sinkDropsMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// sinkChangesMode keeps, for every pair, by how much its contribution's length
// changes when the class token's attention to the last token is set to zero
// after the softmax:
//
//	| |r without| - |r| |
type sinkChangesMode struct {
	scoresMode
	team  par.Team
	norms *decomp.Norms // once there is a tower
}

func (s *sinkChangesMode) label(i int) string {
	return "change of " + unit.Pair(i, s.config.Neurons())
}

func (s *sinkChangesMode) start(from towers, o clip.ImageOptions) (*started, error) {
	return onResNet(from, o, s.compute)
}

func (s *sinkChangesMode) compute(values []float32, t *clip.ResNetTower, images []float32) error {
	ov := t.OV()
	if s.norms == nil {
		s.norms = ov.NewNorms(s.team)
	}
	H, C, T, each := s.config.Heads(), s.config.Neurons(), s.config.Tokens(), s.values()
	B := len(values) / each
	tokens, attention := make([]float32, B*T*C), make([]float32, B*H*T)
	if err := t.Run(images, clip.Output{Scores: values, Tokens: tokens, Attention: attention}); err != nil {
		return err
	}
	without, mass := make([]float32, each), make([]float32, H)
	for b := range B {
		ov.ScoresWithoutSink(without, mass, attention[b*H*T:(b+1)*H*T], tokens[b*T*C:(b+1)*T*C], s.team)
		image := values[b*each : (b+1)*each]
		for i, x := range image {
			change := s.norms.Of(i, float64(without[i]), float64(mass[i/C])) - s.norms.Of(i, float64(x), 1)
			image[i] = float32(math.Abs(change))
		}
	}
	return nil
}

func (s *sinkChangesMode) row() row {
	return row{
		kind: artefact.KindSinkChanges, meanKind: artefact.KindSinkChanges,
		axes: []string{"H", "C"}, shape: []int{s.config.Heads(), s.config.Neurons()},
	}
}
