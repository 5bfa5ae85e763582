package segment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// savedSegmentation is the JSON that Segment writes of a data set: of all its
// scenes or of a shard's.
type savedSegmentation struct {
	Config  string           `json:"config,omitempty"`
	Images  int              `json:"images"` // that were segmented
	Scenes  int              `json:"scenes"` // that were to be
	Skipped []source.Skipped `json:"skipped"`
	Classes []string         `json:"classes"`
	Queries int              `json:"queries"`
	K       int              `json:"k,omitempty"`
	Windows int              `json:"windows"`
	Sizes   []WindowSize     `json:"window_sizes"`
	Methods []savedConfusion `json:"methods"`
}

// savedConfusion counts the pixels of each true class that a method gave each
// label, and measures that follow from it, of which readers make nothing.
type savedConfusion struct {
	Method        string    `json:"method"`
	MIoU          *float64  `json:"miou"`
	PixelAccuracy *float64  `json:"pixel_accuracy"`
	MeanAccuracy  *float64  `json:"mean_accuracy"`
	Confusion     [][]int64 `json:"confusion"` // [true, given]
}

// origin says what the scenes are segmented with.
func (o *Options) origin(m *model.Model, list *sceneList) (origin.Origin, error) {
	words, class := queries(o.Setup.Classes, o.MainWords)
	classes := make([]string, len(words)) // the name of each word's class
	for i, c := range class {
		classes[i] = o.Setup.Classes[c][0]
	}
	from := origin.Origin{
		Model: m.Config.Name(), Weights: m.Hash, Tensors: m.Tensors, Precision: source.PrecisionOf(o.Precision), Texts: cache.ListHash(words),
		Transformer: m.PairsOrigin(o.NeuronLayer, "").Transformer,
		Mode:        strings.Join(o.methodNames(), ","),
		Images:      source.ImagesOrigin(o.Setup.Name, list.names, list.fingerprint, 0, o.Images, m.Config.Form),
		Segment: &origin.Segment{
			Limit: o.Limit, ShorterSide: o.Setup.ShorterSide, LongerSide: o.Setup.LongerSide, Resize: "opencv",
			SlideCrop: o.Setup.SlideCrop, SlideStride: o.Setup.SlideStride,
			Classes: cache.ListHash(classes), Layout: cache.ListHash([]string{o.Setup.Layout.Text()}),
			LogitScale: o.Setup.LogitScale, ProbThd: o.Setup.ProbThd, AreaThd: o.Setup.AreaThd, Sink: o.Setup.Sink,
			Block: o.Setup.Block, SimBlock: o.SimBlock, PAMRSteps: o.PAMR.Steps,
		},
	}.Own()
	if o.Pillow {
		from.Segment.Resize = "pillow"
	}
	if o.PAMR.Steps > 0 {
		from.Segment.PAMRDilations, from.Segment.PAMRCentres = fmt.Sprint(o.PAMR.Dilations), len(o.PAMR.Dilations)
	}
	if o.usesPairs() {
		from.Segment.Pairs = o.Setup.Pairs
		if err := o.Artefacts.AddRead(&from, "components", o.PCsPath, o.componentFacts(m), artefact.KindComponents); err != nil {
			return from, err
		}
		if o.PairTextsPath != "" {
			if err := o.Artefacts.AddRead(&from, "pair embeddings", o.PairTextsPath, m.TextFacts(), artefact.KindEmbeddings); err != nil {
				return from, err
			}
		}
	}
	return from, model.AddTexts(&from, o.Artefacts, o.TextsPath, m.TextFacts().Texts(words), o.Vocab, o.Templates, o.Details)
}

func (o *Options) methodNames() []string {
	var names []string
	for _, m := range o.Methods {
		names = append(names, m.String())
	}
	return names
}

// resumeShard cuts the scenes down to those of the shard, plans the file of their
// counts, which the caller releases, and adds to the tally what an earlier run
// counted. It returns how many scenes that is. All drawings are made again.
func (o *Options) resumeShard(m *model.Model, list *sceneList, scenes *[]sceneToRead, missing *[]string, t *tally, say ui.Reporter) (*shard.File, int, error) {
	origin, err := o.origin(m, list)
	if err != nil {
		return nil, 0, err
	}
	file, lo, hi, err := o.Shard.Result(o.SavePath, artefact.KindSegmentation, origin, len(*scenes), nil)
	if err != nil {
		return nil, 0, err
	}
	if *scenes = (*scenes)[lo:hi]; lo > 0 {
		*missing = nil // which are the first shard's
	}
	t.result.Path, t.result.Scenes = file.Path, len(*scenes)+len(*missing)
	file.Strict, file.Store = o.Strict, o.Store
	if list.heldBy != nil {
		file.HeldBy = func(scenes int) string { return list.heldBy(lo, lo+scenes) }
	}
	items := make([]dataset.Item, len(*scenes))
	for i, s := range *scenes {
		items[i], file.Listed = s.item, append(file.Listed, source.Listed(s.name, s.sizes.Image, s.sizes.Labels))
	}
	var saved savedSegmentation
	done, err := file.Open(&saved, o.Restart, say)
	err = source.NameOther(err, file.Path, items, file.Listed, list.names)
	if draws := o.ShowDir != "" || o.SaveDir != "" || o.ProbabilitiesDir != ""; err != nil || draws || done == 0 {
		file.Sums = nil
		return file, 0, err
	}
	t.result.Complete = file.Complete
	if err := t.addSaved(&saved); err != nil {
		file.Release()
		return nil, 0, fmt.Errorf("%s: %w: %w", file.Path, cache.ErrDamaged, err)
	}
	return file, done, nil
}

// save is what has been counted, as it is written.
func (t *tally) save() *savedSegmentation {
	r := t.result
	s := &savedSegmentation{
		Config: r.Config, Images: r.Images, Scenes: r.Scenes, Skipped: r.Skipped, Classes: r.Classes,
		Queries: r.Queries, K: r.K, Windows: r.Windows, Sizes: r.Sizes,
	}
	for i, name := range t.methods {
		c := t.confusion[i]
		scores := c.Scores()
		m := savedConfusion{Method: name, MIoU: orNil(scores.MIoU), PixelAccuracy: orNil(scores.PixelAccuracy), MeanAccuracy: orNil(scores.MeanAccuracy)}
		for row := range slices.Chunk(c.Counts, c.Classes) {
			m.Confusion = append(m.Confusion, row)
		}
		s.Methods = append(s.Methods, m)
	}
	return s
}

// mostPixels bounds a count of pixels, so that many can be added.
const mostPixels = 1 << 52

// addSaved adds what was counted before, or by another shard, to a tally of the same
// methods and classes.
func (t *tally) addSaved(s *savedSegmentation) error {
	r := t.result
	if len(s.Methods) != len(t.methods) || !slices.Equal(s.Classes, r.Classes) {
		return fmt.Errorf("%s and %s, want the %d and %d asked for", quantity.Of(len(s.Methods), "method"), quantity.Of(len(s.Classes), "class"), len(t.methods), len(r.Classes))
	}
	if s.Images < 0 || s.Scenes < s.Images+len(s.Skipped) || s.Windows < 0 {
		return fmt.Errorf("inconsistent counts: %s and %d skipped of %d", quantity.Of(s.Images, "image"), len(s.Skipped), s.Scenes)
	}
	for i, m := range s.Methods {
		if m.Method != t.methods[i] || len(m.Confusion) != len(r.Classes) {
			return fmt.Errorf("method %q of %s, want %s of %d", m.Method, quantity.Of(len(m.Confusion), "class"), t.methods[i], len(r.Classes))
		}
		for c, row := range m.Confusion {
			if len(row) != len(r.Classes) {
				return fmt.Errorf("method %s: %s given to class %d, want %d", m.Method, quantity.Of(len(row), "label"), c, len(r.Classes))
			}
			for label, n := range row {
				if n < 0 || n > mostPixels {
					return fmt.Errorf("method %s: %d pixels of class %d, want 0 to %d", m.Method, n, c, int64(mostPixels))
				}
				t.confusion[i].Counts[c*len(row)+label] += n
			}
		}
	}
	r.Images += s.Images
	r.Skipped = append(r.Skipped, s.Skipped...)
	r.Windows += s.Windows
	r.Queries, r.K = s.Queries, s.K
	for _, size := range s.Sizes {
		if !slices.Contains(r.Sizes, size) {
			r.Sizes = append(r.Sizes, size)
		}
	}
	return nil
}

// Merge adds up the counts of shards and writes them to savePath.
func Merge(shards []shard.Part, savePath string, restart bool, store *cache.Store, say ui.Reporter) (*Result, error) {
	var all *tally
	for _, p := range shards {
		var s savedSegmentation
		if err := shard.ReadResult(p.Artefact, &s); err != nil {
			return nil, err
		}
		if all == nil {
			methods := strings.Split(p.Manifest.Origin.Mode, ",")
			all = newTally(methods, &Result{Config: s.Config, Classes: s.Classes, Skipped: []source.Skipped{}, Sizes: []WindowSize{}, Path: savePath})
		}
		all.result.Scenes += s.Scenes
		if err := all.addSaved(&s); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", p.Path(), cache.ErrDamaged, err)
		}
	}
	if all.result.Images == 0 {
		return nil, fmt.Errorf("%s: %w by any shard", savePath, errNoneSegmented)
	}
	file, err := shard.WholeOf(shards, savePath)
	if err != nil {
		return nil, err
	}
	file.Store = store
	if _, err := file.Open(&savedSegmentation{}, restart, say); err != nil {
		return nil, err
	}
	defer file.Release()
	if !file.Complete {
		if err := file.Finish(all.save()); err != nil {
			return nil, err
		}
	}
	r := all.finish()
	r.Complete = file.Complete
	return r, nil
}
