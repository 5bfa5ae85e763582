package retrieve

import (
	"context"
	"errors"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
)

// openWords reads codes and computes those of the units that are asked for. They must be
// of the source's model and units.
func (o Options) openWords(ctx context.Context, src *source.Source, asked []askedNeuron) (*artefact.UnitWords, error) {
	w, err := coding.OpenWords(o.Artefacts, o.WordsOptions, unit.Shape{src.Heads, src.Neurons}, src.Origin, o.PCsPath, o.Threads)
	if err != nil {
		return nil, err
	}
	var pairs, neurons []int
	for _, a := range asked {
		neurons = append(neurons, a.index)
		for _, h := range a.heads {
			pairs = append(pairs, h*src.Neurons+a.index)
		}
	}
	err = w.Code(ctx, pairs, neurons)
	return w.UnitWords, errors.Join(err, w.Close())
}
