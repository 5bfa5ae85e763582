package edit

import (
	"cmp"
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// means returns what the weights want means of: the scores of the pairs that change, [H,C],
// or the activations of neurons, [C]; nil by zero. mask is the artefact that chose the pairs,
// if one did.
func (e *editor) means(ctx context.Context, c *choice, mask *cache.Artefact) ([]float64, error) {
	switch {
	case e.By == ByZero:
		return nil, nil
	case e.weights.Means() == clip.ActivationMeans:
		return e.meansOfActivations()
	case e.ScoresPath != "":
		return e.meansOfCollection(ctx, mask)
	}
	return e.meansOfContributions(ctx, c, mask)
}

// ofThisModel fails where means would be those of another model, whatever is to be edited.
func (e *editor) ofThisModel() error {
	for _, path := range []string{e.ScoresPath, e.MeansPath} {
		if path == "" {
			continue
		}
		a, err := cache.Open(path)
		if err != nil {
			continue // its reader says what is wrong with it
		}
		if err := e.Artefacts.Check(a, artefact.OfModel(e.model.Origin())); err != nil {
			return err
		}
	}
	return nil
}

// wantMeans fails where nothing says what takes the place of what is removed.
func (e *editor) wantMeans() error {
	if e.By == ByMean && e.MeansPath == "" && e.ScoresPath == "" {
		return usage.Errorf("{by} mean needs {means-path} or {scores}; {by} zero needs neither")
	}
	return nil
}

// facts are those of what was collected with this model from its last block, in the
// precision of what was read before.
func (e *editor) facts() artefact.Facts { return artefact.Of(e.pairsOrigin()) }

func (e *editor) pairsOrigin() origin.Origin {
	return e.model.PairsOrigin(e.Images.NeuronLayer, e.precision)
}

// meansOfActivations averages mean activations [C,T] over tokens, to which a bias adds the
// same.
func (e *editor) meansOfActivations() ([]float64, error) {
	const how = "collect them with {mode} neuron_acts and {mean}, and give them as {means-path}"
	if e.ScoresPath != "" {
		return nil, hint.With(usage.Errorf("{scores} %s: scores do not say the mean activations of neurons, which take the place of what these add", e.ScoresPath), how)
	}
	t, err := e.Artefacts.Tensor(e.MeansPath, e.facts(), artefact.KindMeanActivations)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	N, T := e.ov.Neurons, e.model.Config.Tokens()
	if err := t.WantShape([]int{N, T}, ", mean activations of the neurons"); err != nil {
		return nil, hint.With(err, how)
	}
	if err := e.prepareBeside(t.Artefact); err != nil {
		return nil, err
	}
	means := make([]float64, N)
	err = t.ReadRows(func(first int, rows []float32) error {
		for i, x := range rows {
			means[first+i/T] += float64(x) / float64(T)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return means, e.read("means", e.MeansPath, t.Artefact)
}

// prepareBeside has the images that are compared prepared as those that means are of.
func (e *editor) prepareBeside(a *cache.Artefact) error {
	if err := source.PrepareBeside(&e.Images.Images, e.Images.Asked, e.Artefacts, a); err != nil || a == nil {
		return err
	}
	return e.model.PreparesAs(a.Path(), a.Manifest.Origin)
}

// read tells the origin what was read in a role; a is nil for another program's file.
func (e *editor) read(role, path string, a *cache.Artefact) error {
	e.precision = cmp.Or(e.precision, artefact.OriginOf(a).Precision)
	return artefact.AddParent(&e.from, role, path, a)
}

// meansOfContributions takes the scores out of mean contributions m·v + b.
func (e *editor) meansOfContributions(ctx context.Context, c *choice, mask *cache.Artefact) ([]float64, error) {
	t, err := e.Artefacts.Tensor(e.MeansPath, e.facts(), artefact.KindMeans)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if err := t.WantShape([]int{e.ov.Heads, e.ov.Neurons, e.ov.OutDim}, ", means of pairs"); err != nil {
		return nil, err
	}
	if err := e.Artefacts.SameParent(mask, t.Artefact, e.MeansPath, "contributions"); err != nil {
		return nil, err
	}
	if err := e.prepareBeside(t.Artefact); err != nil {
		return nil, err
	}
	changed := make([]bool, len(c.factors))
	for u, f := range c.factors {
		changed[u] = f != 1
	}
	means := e.ov.NewMeanScores(changed)
	err = t.ReadRows(func(first int, rows []float32) error {
		means.Add(first, rows, e.team)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	// Those of another model have parts that are no multiple of this one's directions.
	const most = 0.02 // what half precision leaves of a model's own is a tenth of that
	if misfit := means.Misfit(); misfit > most {
		return nil, fmt.Errorf("%s: %w: means of another model: %.0f %% of their size is no contribution of the pairs of %s",
			e.MeansPath, cache.ErrStale, 100*misfit, e.Model)
	}
	return means.Scores, e.read("means", e.MeansPath, t.Artefact)
}

// meansOfCollection averages scores.
func (e *editor) meansOfCollection(ctx context.Context, mask *cache.Artefact) ([]float64, error) {
	a, err := e.Artefacts.Collection(e.ScoresPath, e.facts(), artefact.KindScores, artefact.KindMeanScores, artefact.KindStatistics, artefact.KindSummary)
	if err != nil {
		return nil, err
	}
	if err := e.prepareBeside(a); err != nil {
		return nil, err
	}
	means, err := e.averages(ctx, a)
	if err != nil {
		return nil, err
	}
	if len(means) != e.units.Count() {
		return nil, fmt.Errorf("%s: scores of %s, want the model's %d", e.ScoresPath, quantity.Of(len(means), "pair"), e.units.Count())
	}
	if parent := artefact.OriginOf(mask).Parents["contributions"]; parent != "" && parent != a.Hash() {
		if err := e.Artefacts.Check(mask, artefact.Facts{}.Parent("contributions", a.Hash())); err != nil {
			return nil, fmt.Errorf("%w, which is %s", err, e.ScoresPath)
		}
	}
	return means, e.read("contributions", e.ScoresPath, a)
}

func (e *editor) averages(ctx context.Context, a *cache.Artefact) ([]float64, error) {
	if artefact.HasStatistics(a) {
		s, err := artefact.StatisticsOf(a)
		if err != nil {
			return nil, err
		}
		means := make([]float64, len(s.Sum.High))
		for u := range means {
			means[u] = (s.Sum.High[u] + s.Sum.Low[u]) / float64(s.Images)
		}
		return means, nil
	}
	s, err := artefact.ScoresOf(a)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if s.Images == 0 {
		return nil, fmt.Errorf("%s: scores of no image, want one or more", a.Path())
	}
	const group = 64 // images in memory
	each := s.OV.Heads * s.OV.Neurons
	rows, means := make([]float32, min(group, s.Images)*each), make([]float64, each)
	for lo := 0; lo < s.Images; lo += group {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := rows[:(min(lo+group, s.Images)-lo)*each]
		if err := s.Read(part, lo); err != nil {
			return nil, err
		}
		for i, x := range part {
			means[i%each] += float64(x)
		}
	}
	for u := range means {
		means[u] /= float64(s.Images)
	}
	return means, nil
}
