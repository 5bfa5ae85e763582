package collect

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
)

// featuresMode keeps the image feature.
type featuresMode struct{ config clip.Config }

func (f featuresMode) values() int { return f.config.OutDim }

func (f featuresMode) label(i int) string { return fmt.Sprintf("dimension %d of the feature", i) }

func (f featuresMode) start(from towers, o clip.ImageOptions) (*started, error) {
	return onTower(from, o, func(values []float32) clip.Output { return clip.Output{Features: values} })
}

func (f featuresMode) row() row {
	return row{
		kind: artefact.KindImageFeatures, meanKind: artefact.KindMeanFeatures, file: artefact.FeaturesFile,
		axes: []string{"O"}, shape: []int{f.config.OutDim},
	}
}

func (f featuresMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// startWithFeatures starts a mode on scores of pairs that are a part of the feature, which
// the tower then computes too.
func (s scoresMode) startWithFeatures(from towers, o clip.ImageOptions) (*started, error) {
	t, err := from.image(o)
	if err != nil {
		return nil, err
	}
	of := &started{tower: t, options: o}
	of.compute = func(values, images []float32) error {
		n := len(images) / t.ImageLen() * s.config.OutDim
		if cap(of.features) < n {
			of.features = make([]float32, n)
		}
		of.features = of.features[:n]
		return t.Run(images, clip.Output{Scores: values, Features: of.features})
	}
	return of, nil
}

// scoring is a mode on scores of pairs, or one that is made of their values.
type scoring interface{ scored() scoredMode }

// scoredMode is a mode whose values are those of pairs of a layer of neurons. Values of several
// layers are those of the heads of all of them.
type scoredMode interface {
	mode
	layer() int
	// startAll starts the mode with MoreLayers of the options.
	startAll(from towers, o clip.ImageOptions) (*started, error)
}

func (s scoresMode) scored() scoredMode { return s }
func (s scoresMode) layer() int         { return s.pairs.FirstLayer - 1 }

func (s scoresMode) startAll(from towers, o clip.ImageOptions) (*started, error) {
	s.pairs.Want(&o)
	return s.startWithFeatures(from, o)
}
