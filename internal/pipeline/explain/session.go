package explain

import (
	"context"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Session is what does not depend on the question: an open model, words of units and
// what is usual. It explains one image at a time.
type Session struct {
	o     *Options
	made  origin.Origin
	ov    *decomp.OV
	team  par.Team
	pairs clip.Pairs
	tower clip.PairTower
	words *coding.Words
	usual *usual
}

// Open opens what o says of words and of a collection, and packs the tower of m, which
// must stay open. The inputs and texts of o are not read.
func Open(ctx context.Context, o Options, m *model.Model) (*Session, error) {
	s, err := open(ctx, &o, m)
	if err != nil {
		return nil, err
	}
	if err := s.pack(1); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func open(ctx context.Context, o *Options, m *model.Model) (*Session, error) {
	o.model = m
	s := &Session{o: o, team: par.NewTeam(o.Threads)}
	o.NeuronLayer = m.LayerOf(o.NeuronLayer, append([]string{o.ScoresPath, o.MeansPath, o.PCsPath, o.NeuronPCsPath}, o.DecompositionPaths...)...)
	s.made = m.PairsOrigin(o.NeuronLayer, source.PrecisionOf(o.Precision))
	var err error
	if s.pairs, err = m.Pairs(o.NeuronLayer); err != nil {
		return nil, err
	}
	if s.ov, err = s.pairs.OV(); err != nil {
		return nil, err
	}
	if s.words, err = coding.OpenWords(o.Artefacts, o.WordsOptions, unit.Shape{s.ov.Heads, s.ov.Neurons}, s.made, o.PCsPath, o.Threads); err != nil {
		return nil, err
	}
	if s.usual, err = o.openUsual(ctx, s.made, s.ov, s.team); err != nil {
		s.words.Close()
		return nil, err
	}
	return s, nil
}

// towerOptions plan for more than one image, as for collecting, so that scores are the
// collection's to the last bit.
func (o *Options) towerOptions(images int) clip.ImageOptions {
	return clip.ImageOptions{Batch: max(min(o.BatchSize, images), 2), Threads: o.Threads, Precision: o.Precision}
}

// pack packs the tower of the pairs for so many images.
func (s *Session) pack(images int) (err error) {
	o := s.o.towerOptions(images)
	o.Reads = true
	s.tower, err = clip.NewPairTower(s.pairs, o)
	return err
}

// Close closes the collection and the words.
func (s *Session) Close() {
	s.usual.close()
	s.words.Close()
}

// A Pass is what the tower makes of one image.
type Pass struct {
	Name   string
	pixels []float32
	out    clip.Output
}

// Scores are the image's, [H,C].
func (p *Pass) Scores() []float32 { return p.out.Scores }

// Look sends an image through the tower. name is what explanations call it; errors have
// the file's path.
func (s *Session) Look(name string, file *imageprep.File) (*Pass, error) {
	c := s.tower.Config()
	p := &Pass{Name: name, pixels: make([]float32, s.tower.ImageLen()), out: s.tower.Room(1)}
	if err := imageprep.PreprocessFile(p.pixels, file, c.Input(), s.o.Images); err != nil {
		return nil, err
	}
	return p, s.tower.Run(p.pixels, p.out)
}

// A Question says what to explain of an image.
type Question struct {
	Classes       []string
	Embeddings    []float32 // of the classes, [classes,O], unit vectors
	Class, Versus string    // as in Texts
	Units, Maps   int       // as in Options
	Heads         []string  // as in Options
	Unusual       bool

	// Off are pairs h*C+n that are taken out of the model, none twice: by the means of
	// the collection, or with Zero so that they add nothing.
	Off  []int
	Zero bool
}

// Explain answers a question about an image, as Run would about the model that an edit of
// the weights makes.
func (s *Session) Explain(ctx context.Context, p *Pass, q Question) (*Explanation, error) {
	o := *s.o
	o.Classes, o.Class, o.Versus, o.Units, o.Maps, o.Heads, o.Unusual, o.SaveDir = q.Classes, q.Class, q.Versus, q.Units, q.Maps, q.Heads, q.Unusual, ""
	class, versus, err := o.classes()
	if err != nil {
		return nil, err
	}
	heads, err := o.findHeads(s.tower.Config())
	if err != nil {
		return nil, err
	}
	means := s.usual.means
	if q.Zero {
		means = nil
	} else if len(q.Off) > 0 && means == nil {
		return nil, usage.Errorf("pairs can be replaced by their means with {scores} or {means-path} only, which say what the means are")
	}
	e := s.explainer(&o, q.Embeddings, class, versus)
	e.off, e.offMeans, e.heads = q.Off, means, heads
	out := p.out
	if len(q.Off) > 0 {
		out.Features = make([]float32, len(out.Features))
		s.ov.NewRemoval(q.Off, means).Feature(out.Features, p.out.Features, out.Scores)
	}
	if err := e.batch([]dataset.Item{{Name: p.Name, Path: p.Name}}, p.pixels, out); err != nil {
		return nil, err
	}
	if err := s.usual.rank(ctx, e.ranks, s.team); err != nil {
		return nil, err
	}
	return e.waiting[0], nil
}

// explainer answers by these options and embeddings of their classes.
func (s *Session) explainer(o *Options, texts []float32, class, versus int) *explainer {
	return &explainer{o: o, team: s.team, tower: s.tower, texts: texts, words: s.words, usual: s.usual, class: class, versus: versus}
}
