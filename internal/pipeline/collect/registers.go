package collect

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// RegistersOptions says of which images to find out what feeds the attention
// sink, the last token.
type RegistersOptions struct {
	Collect       Options // Mode and Mean are filled in here
	Contributions bool    // what the sink does to pairs; else what neurons do to it
	List          int     // how many units to name
}

// RegistersResult is what Registers found.
type RegistersResult struct {
	*Result
	Unit  string         `json:"unit"`  // neuron or pair
	Units []RegisterUnit `json:"units"` // by descending Size
}

// RegisterUnit is a neuron or pair, such as n624 or h12n624.
type RegisterUnit struct {
	Name string  `json:"name"`
	Mean float64 `json:"mean"` // over the images: of a neuron's drops, or a pair's changes
	Size float64 `json:"size"` // mean of their absolute values
}

// Registers finds the neurons that the attention sink hangs on: it writes, for
// every image and neuron, by how much the class token's attention to the last
// token falls when the neuron's activations are zero, [B,C]. Or it finds the
// pairs that hang on the sink: it writes the mean change of every pair's
// contribution norm when that attention is zero, [H,C]. It can be interrupted
// and started again as Collect can.
func Registers(ctx context.Context, o RegistersOptions, say ui.Reporter) (*RegistersResult, error) {
	result := &RegistersResult{Unit: "neuron"}
	o.Collect.Mode, o.Collect.Mean = modeSinkDrops, false
	o.Collect.Details.Needs = []clip.Structure{clip.AttentionPool}
	if o.Contributions {
		result.Unit = "pair"
		o.Collect.Mode, o.Collect.Mean = modeSinkChanges, true
	}
	var err error
	if result.Result, err = Run(ctx, o.Collect, say); errors.Is(err, clip.ErrNoPool) {
		return nil, usage.Error(err)
	} else if err != nil {
		return nil, err
	}
	if result.Complete {
		a, err := cache.Open(o.Collect.SavePath)
		if err == nil {
			err = artefact.VerifyChecksums(a)
		}
		if err != nil {
			return nil, err
		}
	}
	f, err := npy.Open(o.Collect.SavePath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	shape := f.Header.Shape
	neurons := shape[len(shape)-1]
	row := make([]float32, neurons)
	if o.Contributions {
		row = make([]float32, artefact.Product(shape))
	}
	units := make([]RegisterUnit, len(row))
	rows := f.Header.Count() / len(row)
	for b := range rows {
		if err := f.ReadFloat32(row, int64(b)*int64(len(row))); err != nil {
			return nil, err
		}
		for u, x := range row {
			units[u].Mean += float64(x) / float64(rows)
			units[u].Size += math.Abs(float64(x)) / float64(rows)
		}
	}
	for u := range units {
		units[u].Name = unit.Neuron(u)
		if o.Contributions {
			units[u].Name = unit.Pair(u, neurons)
		}
	}
	slices.SortStableFunc(units, func(a, b RegisterUnit) int { return cmp.Compare(b.Size, a.Size) })
	result.Units = units[:min(o.List, len(units))]
	return result, nil
}
