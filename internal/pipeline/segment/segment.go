// Package segment labels every pixel of images with one of some classes; see package
// heat for the maths.
package segment

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"path/filepath"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says what to segment, and how.
type Options struct {
	Artefacts artefact.Reader
	Model     string
	Details   model.Details // of the model
	// NeuronLayer is the layer of a vision transformer whose neurons' pairs are looked at, nil
	// for a ResNet, and where no method takes pairs.
	NeuronLayer *int
	Precision   kernel.Precision
	Threads     int

	Texts
	Scenes
	Masks
	Heat
	Output
}

// Texts says where the embeddings of the classes' words come from.
type Texts struct {
	Vocab     string              // of texts that are to be embedded
	Templates []textlist.Template // that words are put into
	TextsPath string              // instead: embeddings of the words, [P,O]

	// PairTextsPath, if not empty, has embeddings of other texts, [P,O], one for each
	// word, by which its pairs are chosen; pixels are still compared with the words.
	PairTextsPath string
}

// Scenes says which images are segmented, and how they are read.
type Scenes struct {
	Paths    []string // images without labels, and folders of them
	DataPath string   // instead: a data set
	Limit    int      // scenes at most; 0 for all
	Pillow   bool     // scale images as Pillow's bilinear filter does, not as OpenCV's
	Images   imageprep.Options
	Strict   bool // stop at an image that cannot be read
}

// Asked says what of a data set's settings is the user's word. What is not gives way to an
// image tower whose windows have one size.
type Asked struct{ SlideCrop, SlideStride bool }

// Heat says how logits are computed.
type Heat struct {
	// Setup is the classes, sizes and thresholds. A ShorterSide or SlideCrop of 0
	// is the model's image side, a SlideStride of 0 half a window, a LongerSide of
	// 0 no bound. Its Block is whose maps the neurons give, and its Layout that of
	// DataPath.
	Setup     *configs.Segmentation
	Asked     Asked  // what of Setup the user asked for
	PCsPath   string // PC0 of pairs, [H,C,O]; may be empty if no method uses pairs
	SimBlock  int    // block of the last stage that the attention pool is run on, from 0; below 0 from the last
	MainWords bool   // only the first word of a class
	Methods   []heat.Method
	PAMR      heat.PAMR
}

// Output says what is kept.
type Output struct {
	ShowDir          string          // folder for drawings; may be empty
	SaveDir          string          // folder for label maps; may be empty
	ProbabilitiesDir string          // folder for the probabilities of classes, .npy; may be empty
	Writer           artefact.Writer // of these

	SavePath string      // JSON of the counts, of a data set; may be empty
	Shard    shard.Shard // only a part of the scenes, to a path of its own
	Restart  bool        // discard what is at SavePath
	Store    *cache.Store
}

// Run labels every pixel of an image, or of the scenes of a data set, with
// one of the classes, and compares the labels with the scenes' own; see package
// segment. When it is interrupted, it returns the result of the scenes before, with
// the context's error; with a SavePath, and no drawings, it resumes from there. When
// only the counts cannot be written, it returns the result, Measured, with that error.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := o.checkMasks(); err != nil {
		return nil, err
	}
	list, err := o.scenes(ctx, say)
	if err == nil {
		err = o.addMasks(list)
	}
	if err != nil {
		return nil, err
	}
	result, err := o.run(ctx, list, say)
	if result != nil {
		// Only now: what is saved counts scenes.
		result.Scenes += len(list.unlisted)
		result.Skipped = append(result.Skipped, list.unlisted...)
	}
	return result, err
}

func (o Options) run(ctx context.Context, list *sceneList, say ui.Reporter) (*Result, error) {
	scenes, missing := list.scenes, list.missing
	if err := artefact.MakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	m.Tell(say)
	o.fitWindows(m.Config.FixedWindow(), say)
	if o.usesPairs() {
		o.NeuronLayer = m.LayerOf(o.NeuronLayer, o.PCsPath)
	}
	result := &Result{Config: o.Setup.Name, Skipped: []source.Skipped{}, Sizes: []WindowSize{}}
	for _, c := range o.Setup.Classes {
		result.Classes = append(result.Classes, c[0])
	}
	tally := newTally(o.methodNames(), result)
	tally.paths, tally.foreground = list.paths, o.newForegrounds()
	result.Scenes = len(scenes) + len(missing)
	var file *shard.File
	done := 0
	if o.SavePath != "" {
		if file, done, err = o.resumeShard(m, list, &scenes, &missing, tally, say); err != nil {
			return nil, err
		}
		defer file.Release()
		if result.Complete {
			if err := source.Recall(result.Path, result.Skipped, o.Strict, say); err != nil {
				return nil, err
			}
			if result.Changed, err = o.changedSince(ctx, result.Path, scenes, file.Sums, say); err != nil {
				return nil, err
			}
			return tally.finish(), nil
		}
		if err := unchanged(ctx, scenes[:done], file, o.Threads, say.Progress()); err != nil {
			return nil, err
		}
	}
	if err := o.canDraw(scenes); err != nil {
		return nil, err
	}
	from, err := o.probabilitiesOrigin(m, scenes)
	if err != nil {
		return nil, err
	}
	if done == 0 {
		for _, path := range missing {
			say.Warn("skipped: %s: %s", path, source.Missing)
			result.Skipped = append(result.Skipped, source.Skipped{Name: filepath.Base(path), Reason: source.Missing})
		}
	}
	s, err := newSegmenter(ctx, &o, m, result, say)
	if err != nil {
		return nil, err
	}
	s.from = from
	err = s.scenes(ctx, scenes[done:], func(sc *sceneToRead, n int, must bool) error {
		if file == nil {
			return nil
		}
		if sc != nil {
			file.Add(sc.sum)
		}
		return file.Save(done+n, func() any { return tally.save() }, must)
	}, tally)
	switch {
	case errors.Is(err, context.Canceled):
		return tally.finish(), err
	case err != nil && result.Images > 0 && len(scenes) > 1:
		return tally.finish(), err
	case err != nil:
		return nil, err
	case result.Images == 0 && o.Shard.Whole():
		return nil, errNoneSegmented
	}
	result.Measured = true
	if file != nil {
		if err := file.Finish(tally.save()); err != nil {
			result.Path = ""
			return tally.finish(), err
		}
	}
	tally.finish()
	if o.DataPath != "" && o.Shard.Whole() {
		result.sayAbsent(say)
	}
	return result, nil
}

var errNoneSegmented = errors.New("none of the images could be segmented")

// segmenter labels images.
type segmenter struct {
	o       *Options
	result  *Result
	say     ui.Reporter
	towers  clip.Windows
	heat    heat.Locator
	team    par.Team
	class   []int // [P], the class of each query
	shorter int   // side to which images are scaled
	crop    int
	stride  int
	form    imageprep.Form
	colours []color.NRGBA // of the classes in drawings
	from    origin.Origin // of probabilities, but for what is the image's and the method's
}

// newSegmenter embeds the words, chooses their pairs and packs the tower.
func newSegmenter(ctx context.Context, o *Options, m *model.Model, result *Result, say ui.Reporter) (*segmenter, error) {
	s := &segmenter{o: o, result: result, say: say, team: par.NewTeam(o.Threads)}
	if err := s.setSizes(m.Config); err != nil {
		return nil, err
	}
	o.warnNoBackground(say)
	if o.ShowDir != "" || o.SaveDir != "" {
		s.colours = canvas.NamedPalette(result.Classes)
	}
	words, class := queries(o.Setup.Classes, o.MainWords)
	s.class, result.Queries = class, len(words)
	components, err := o.components(m) // before the texts, which take longer
	if err != nil {
		return nil, err
	}
	if components != nil {
		defer components.Close()
	}
	text, err := s.texts(ctx, m, words)
	if err != nil {
		return nil, err
	}
	pairTexts := text
	if components != nil && o.PairTextsPath != "" {
		if pairTexts, err = s.pairTexts(m, len(words)); err != nil {
			return nil, err
		}
	}
	pairs, err := s.pairs(m, components, pairTexts)
	if err != nil {
		return nil, err
	}
	if s.towers, err = newWindows(m, o); err != nil {
		return nil, err
	}
	s.setHeat(text, pairs)
	return s, nil
}

// setSizes resolves sizes that are 0, of which that of the model takes the place, and has
// images normalised as for it.
func (s *segmenter) setSizes(c clip.Config) error {
	side := c.ImageSize
	s.form = c.Form
	s.shorter, s.crop = s.o.Setup.ShorterSide, s.o.Setup.SlideCrop
	if s.shorter == 0 {
		s.shorter = side
	}
	if s.crop == 0 {
		s.crop = side
	}
	if s.stride = s.o.Setup.SlideStride; s.stride == 0 {
		s.stride = max(s.crop/2, 1)
	}
	if s.stride > s.crop {
		return usage.Errorf("windows of %d pixels every %d leave gaps, want a stride of at most %d", s.crop, s.stride, s.crop)
	}
	return nil
}

// scene segments one image and adds its counts to the tally.
func (s *segmenter) scene(ctx context.Context, sc *sceneToRead, t *tally) error {
	if t.foreground != nil {
		return s.compare(ctx, sc, t)
	}
	given, err := s.label(ctx, sc)
	if err != nil {
		return err
	}
	if s.o.ShowDir != "" || s.o.SaveDir != "" {
		files, err := s.draw(sc, given)
		s.result.Files = append(s.result.Files, files...)
		if err != nil {
			return err
		}
	}
	t.add(given, sc)
	return nil
}

// label returns the class of every pixel by each method, [height,width].
func (s *segmenter) label(ctx context.Context, sc *sceneToRead) ([][]uint16, error) {
	fields, err := s.fields(ctx, sc)
	if err != nil {
		return nil, err
	}
	pixels := sc.width * sc.height
	given := make([][]uint16, len(fields))
	options := heat.LabelOptions{
		Class: s.class, LogitScale: s.o.Setup.LogitScale, ProbThd: s.o.Setup.ProbThd, AreaThd: s.o.Setup.AreaThd,
	}
	for i, f := range fields {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.o.PAMR.Steps > 0 {
			s.o.PAMR.Refine(f, sc.image.Pix, s.team)
		}
		given[i] = make([]uint16, pixels)
		f.Labels(given[i], options, s.team)
		if s.o.ProbabilitiesDir != "" {
			if err := s.saveProbabilities(sc, i, f, options); err != nil {
				return nil, err
			}
		}
	}
	return given, nil
}

// fields sends the windows of an image through the tower and returns what each
// method makes of them.
func (s *segmenter) fields(ctx context.Context, sc *sceneToRead) ([]*heat.Field, error) {
	w, h := sc.scaled.W, sc.scaled.H
	down, across := s.axis(h), s.axis(w)
	fields := make([]*heat.Field, len(s.o.Methods))
	for i := range fields {
		fields[i] = heat.NewField(len(s.class), down, across, sc.height, sc.width)
	}
	tower, err := s.towers.Of(down.Padded, across.Padded)
	if err != nil {
		return nil, err
	}
	s.noteSize(tower)
	seen := window(tower)
	logits := make([][]float32, len(fields))
	for i := range logits {
		logits[i] = make([]float32, len(s.class)*tower.Rows*tower.Cols)
	}
	normal := make([]float32, 3*w*h)
	s.form.Normalize(normal, sc.scaled)
	for i, top := range down.Starts {
		for j, left := range across.Starts {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			for c := range 3 {
				for y := range down.Size {
					at := (c*down.Padded+down.Before+y)*across.Padded + across.Before
					copy(tower.Image[at:at+across.Size], normal[(c*h+top+y)*w+left:])
				}
			}
			if s.result.Rounding == nil && s.o.Precision != kernel.Float32 {
				if s.result.Rounding, err = s.rounding(tower); err != nil {
					return nil, err
				}
			}
			if err := tower.Run(); err != nil {
				return nil, err
			}
			s.heat.Logits(logits, seen, s.team)
			for m, f := range fields {
				if k := artefact.FirstNonFinite(logits[m]); k >= 0 {
					return nil, fmt.Errorf("%s: method %v: logit is %g, want a finite one (see the inputs)", sc.item.Path, s.o.Methods[m], logits[m][k])
				}
				f.Set(i, j, tower.Rows, tower.Cols, logits[m])
			}
			s.result.Windows++
		}
	}
	return fields, nil
}
