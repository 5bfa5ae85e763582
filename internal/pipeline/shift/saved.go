package shift

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// savedRatios is the JSON that Shift writes of a shard's images, in their order:
// what the whole's is made of.
type savedRatios struct {
	K        int              `json:"k"`
	Grouping string           `json:"grouping,omitempty"`
	Concepts []savedConcept   `json:"concepts"`
	Images   []savedRatio     `json:"images"`
	Skipped  []source.Skipped `json:"skipped"`
}

type savedConcept struct {
	Concept string            `json:"concept"`
	Pairs   []artefact.Pair   `json:"pairs"`
	Neurons []artefact.Neuron `json:"neurons,omitempty"`
	Label   string            `json:"label,omitempty"`
}

type savedRatio struct {
	Name    string           `json:"name"`
	Ratios  []float64        `json:"ratios"` // [concepts]
	Group   string           `json:"group,omitempty"`
	Answers []dataset.Answer `json:"answers,omitempty"` // [concepts], where there are labels
}

// ends are where archives end, for shards to end there too.
func (o Options) ends(all []int) []int {
	return shard.AsBegun(o.Shard.Path(o.SavePath), o.Restart, all)
}

// part is where the images of the shard begin and end among all.
func (o Options) part(images int, ends []int) (lo, hi int, err error) {
	return o.Shard.Bounds(cache.NewChunking(images, 1, cache.KeptCuts(o.ends(ends), 1)))
}

// shard measures a shard's images and keeps what Merge needs of them.
func (r *Result) shard(ctx context.Context, o Options, src *source.Source, concepts []concept, labels *dataset.Labels, say ui.Reporter) error {
	origin, err := o.origin(src, labels)
	if err != nil {
		return err
	}
	file, _, _, err := o.Shard.Result(o.SavePath, artefact.KindRatios, origin, src.Inputs, o.ends(src.Ends))
	if err != nil {
		return err
	}
	if labels != nil {
		// Rows of two images are found even if they are in two shards.
		names, err := src.AllNames(ctx)
		if err != nil {
			return err
		}
		if _, err := labels.Join(names); err != nil {
			return err
		}
	}
	file.Strict, file.Store = o.Strict, o.Store
	file.Listed = src.Listed()
	all := src.Items // src is cut down below
	file.HeldBy = func(images int) string { return dataset.HeldBy(all[:images]) }
	saved := &savedRatios{}
	done, err := file.Open(saved, o.Restart, say)
	err = source.NameOther(err, file.Path, src.Items, file.Listed, src.Origin.Images.Names)
	if err != nil {
		return err
	}
	defer file.Release()
	r.Path, r.Complete = file.Path, file.Complete
	asked := make([]string, len(concepts))
	if file.Complete {
		if len(saved.Concepts) != len(concepts) {
			return file.Unusable(errors.New("other concepts"))
		}
		for i, c := range saved.Concepts {
			asked[i] = c.Label
		}
		r.Grouping, r.Skipped, r.images = saved.Grouping, saved.Skipped, saved.shiftImages()
		r.sumUp(concepts, asked)
		if err := source.Recall(r.Path, r.Skipped, o.Strict, say); err != nil {
			return err
		}
		return r.compareMeasured(ctx, o, src.Items, file.Sums, say)
	}
	if !file.Held {
		if err := source.Unchanged(ctx, src.Items, file.Sums, nil, o.Threads, say.Progress()); err != nil {
			return err
		}
	}
	src.Restrict(done, len(src.Items))
	src.Read, src.Skipped = file.Add, saved.Skipped
	earlier := saved.shiftImages()
	skipped := len(src.Skipped) // among the images before the next batch
	keep := func(images []shiftImage, must bool) error {
		return file.Save(len(earlier)+len(images)+skipped, func() any {
			return r.save(concepts, asked, slices.Concat(earlier, images), src.Skipped[:skipped])
		}, must)
	}
	var images []shiftImage
	if len(src.Items) > 0 {
		images, err = conceptRatios(ctx, src, concepts, o.Threads, say, func(images []shiftImage) error {
			skipped = len(src.Skipped)
			return keep(images, false)
		})
	}
	if errors.Is(err, context.Canceled) && len(images) > 0 {
		return errors.Join(err, keep(images, true))
	}
	if err != nil {
		return err
	}
	r.images = append(earlier, images...)
	r.Skipped = append([]source.Skipped{}, src.Skipped...)
	if labels != nil {
		r.Grouping = labels.Grouping
		if asked, err = r.join(labels, o, say); err != nil {
			return err
		}
	}
	if err := file.Finish(r.save(concepts, asked, r.images, r.Skipped)); err != nil {
		return err
	}
	r.sumUp(concepts, asked)
	return nil
}

// compareMeasured names the images that changed since a complete shard measured them.
func (r *Result) compareMeasured(ctx context.Context, o Options, items []dataset.Item, sums []uint32, say ui.Reporter) error {
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = item.Name
	}
	recorded := source.RecordedSums(r.Path, names, sums, o.Strict)
	if err := recorded.CompareFiles(ctx, items, o.Threads, say.Progress()); err != nil {
		return err
	}
	r.Changed = recorded.Tell(say)
	return nil
}

// origin says what ratios are measured with.
func (o *Options) origin(src *source.Source, labels *dataset.Labels) (origin.Origin, error) {
	from := src.Origin.Own()
	from.Texts, from.Shift = cache.ListHash(o.Concepts), &origin.Shift{Pairs: o.K}
	if labels != nil {
		known, err := json.Marshal([]any{labels.Grouping, labels.Names, labels.Known})
		if err != nil {
			return from, err
		}
		from.Shift.Labels, from.Shift.Questions = cache.ListHash([]string{string(known)}), cache.ListHash(o.Questions)
	}
	r := o.ConceptOptions.Artefacts // openConcepts has compared what is read
	if err := r.AddRead(&from, "components", o.PCsPath, nil, artefact.KindComponents); err != nil {
		return from, err
	}
	return from, model.AddTexts(&from, r, o.EmbeddingsPath, nil, o.Vocab, o.Templates, o.ConceptOptions.Details)
}

// save is what is known of images, as it is written.
func (r *Result) save(concepts []concept, labels []string, images []shiftImage, skipped []source.Skipped) *savedRatios {
	s := &savedRatios{K: r.K, Grouping: r.Grouping, Images: make([]savedRatio, len(images)), Skipped: append([]source.Skipped{}, skipped...)}
	for i, c := range concepts {
		s.Concepts = append(s.Concepts, savedConcept{c.text, c.pairs, c.neurons, labels[i]})
	}
	for i, image := range images {
		s.Images[i] = savedRatio{image.name, image.ratios, image.group, image.answers}
	}
	return s
}

func (s *savedRatios) shiftImages() []shiftImage {
	var images []shiftImage
	for _, i := range s.Images {
		images = append(images, shiftImage{i.Name, i.Ratios, i.Group, i.Answers})
	}
	return images
}

// check returns an error unless s is of these concepts, a value for each in every
// image.
func (s *savedRatios) check(first *savedRatios) error {
	if len(s.Concepts) != len(first.Concepts) || s.K != first.K || s.Grouping != first.Grouping {
		return fmt.Errorf("%s of %s by %q, want %d of %d by %q", quantity.Of(len(s.Concepts), "concept"), quantity.Of(s.K, "pair"), s.Grouping, len(first.Concepts), first.K, first.Grouping)
	}
	labelled := false
	for i, c := range s.Concepts {
		if c.Concept != first.Concepts[i].Concept || c.Label != first.Concepts[i].Label {
			return fmt.Errorf("concept %q with label %q, want %q with %q", c.Concept, c.Label, first.Concepts[i].Concept, first.Concepts[i].Label)
		}
		labelled = labelled || c.Label != ""
	}
	for _, i := range s.Images {
		if len(i.Ratios) != len(s.Concepts) || labelled && len(i.Answers) != len(s.Concepts) {
			return fmt.Errorf("%s: %s and %s, want those of %s", i.Name, quantity.Of(len(i.Ratios), "ratio"), quantity.Of(len(i.Answers), "answer"), quantity.Of(len(s.Concepts), "concept"))
		}
	}
	return nil
}

// Merge makes of shards' ratios what a run that was not cut makes of all, and
// writes it to savePath and plotPath, which may be empty.
func Merge(shards []shard.Part, savePath, plotPath string, store *cache.Store, say ui.Reporter) (*Result, error) {
	if err := canWrite(savePath, plotPath); err != nil {
		return nil, err
	}
	var first *savedRatios
	r := &Result{Path: savePath, Plot: plotPath, Skipped: []source.Skipped{}}
	for _, p := range shards {
		s := &savedRatios{}
		if err := shard.ReadResult(p.Artefact, s); err != nil {
			return nil, err
		}
		if first == nil {
			first = s
		}
		if err := s.check(first); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", p.Path(), cache.ErrDamaged, err)
		}
		r.images = append(r.images, s.shiftImages()...)
		r.Skipped = append(r.Skipped, s.Skipped...)
	}
	if len(r.images) == 0 {
		return nil, fmt.Errorf("%s: none of %s could be read and has a label in any shard", savePath, quantity.Of(shards[0].InputsInAll(), "image"))
	}
	if err := fitsFigure(plotPath, len(first.Concepts)); err != nil {
		return nil, err
	}
	if plotPath != "" && first.Grouping == "" {
		return nil, fmt.Errorf("%s: the shards have no groups to draw means of", plotPath)
	}
	r.K, r.Grouping = first.K, first.Grouping
	concepts, labels := make([]concept, len(first.Concepts)), make([]string, len(first.Concepts))
	for i, c := range first.Concepts {
		concepts[i], labels[i] = concept{c.Concept, c.Pairs, c.Neurons}, c.Label
	}
	r.sumUp(concepts, labels)
	r.warnSmallGroups(say)
	if err := r.write(Options{SavePath: savePath, PlotPath: plotPath, Store: store}); err != nil {
		return nil, err
	}
	return r, nil
}

// canWrite returns an error if the result or the figure would replace a file that is not of this
// kind.
func canWrite(savePath, plotPath string) error {
	if err := figure.CanWriteJSON(savePath, "a result of shift", isSavedShift); err != nil {
		return err
	}
	return figure.CanDraw(plotPath, "shift")
}
