package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// inputs are what a report is made of.
type inputs struct {
	Options
	scores *artefact.Scores
	units  unit.Layered  // [H,C]
	from   origin.Origin // of the scores
	whole  bool          // the image features are known
	names  []string      // of images, [B]

	pcs        *artefact.Components // nil: none
	classes    *artefact.Embeddings // of classes, unit vectors; nil: none
	classNames []string
	words      *coding.Words
	texts      *artefact.Embeddings // of words, unit vectors; nil: none
	wordScores []float32            // [H,C,4]; nil: none

	data        *dataset.Dataset // nil: none
	fingerprint string           // of its images; empty: there are none
	recorded    *source.Recorded // of them
	labels      []int            // into labelNames, [B]; nil: none
	labelNames  []string
	groups      []int // into groupNames, -1 of none, [B]; nil: none
	groupNames  []string
	items       map[string]*dataset.Item // by name; nil: none

	model *model.Model // nil: none

	files   []report.Input        // what was read, with hashes
	origins map[int]origin.Origin // of artefacts among files, by index
}

// open opens all that a report is made of, and checks that it belongs together.
func (o Options) open(ctx context.Context, say ui.Reporter) (*inputs, error) {
	s, err := o.Artefacts.WholeScores(o.ScoresPath, nil)
	whole := err == nil
	if errors.Is(err, artefact.ErrNoFeatures) {
		say.Warn("%v: no accuracies and no effects; the same collect adds it", err)
		s, err = o.Artefacts.Scores(o.ScoresPath, nil)
	}
	if err != nil {
		return nil, err
	}
	in := &inputs{
		Options: o, scores: s, units: unit.Layered{Shape: unit.Shape{s.OV.Heads, s.OV.Neurons}, Layers: artefact.LayersOf(s.Artefact)},
		from: artefact.DerivedFrom(s.Artefact), whole: whole, origins: map[int]origin.Origin{},
	}
	if err := in.openOthers(ctx, say); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

func (in *inputs) close() error {
	err := in.scores.Close()
	if in.pcs != nil {
		err = errors.Join(err, in.pcs.Close())
	}
	if in.model != nil {
		err = errors.Join(err, in.model.Close())
	}
	if in.words != nil {
		err = errors.Join(err, in.words.Close())
	}
	return err
}

func (in *inputs) openOthers(ctx context.Context, say ui.Reporter) error {
	s, ov := in.scores, in.scores.OV
	if s.Images == 0 {
		return fmt.Errorf("%s: scores of no image", in.ScoresPath)
	}
	var err error
	if in.names, err = s.Names(); err != nil {
		return err
	}
	if err := in.read(artefact.KindScores, in.ScoresPath, s.Artefact); err != nil {
		return err
	}
	if a := s.FeaturesArtefact(); a != nil {
		if err := in.read(artefact.KindImageFeatures, a.Path(), a); err != nil {
			return err
		}
	}
	facts := artefact.Of(in.from)
	if in.PCsPath != "" {
		if in.pcs, err = in.Artefacts.ComponentsOf(in.PCsPath, facts, in.units.Shape, ov.OutDim); err != nil {
			return err
		}
		if err := in.read(artefact.KindComponents, in.PCsPath, in.pcs.Artefact); err != nil {
			return err
		}
	}
	if err := in.openClasses(); err != nil {
		return err
	}
	if err := in.openWords(); err != nil {
		return err
	}
	if err := in.readWordFiles(); err != nil {
		return err
	}
	if err := in.openWordScores(); err != nil {
		return err
	}
	if err := in.openData(ctx, say); err != nil {
		return err
	}
	if err := in.openGroups(say); err != nil {
		return err
	}
	if err := in.openOther(); err != nil {
		return err
	}
	if err := in.openModel(ctx, say); err != nil {
		return err
	}
	for i := range in.files { // now that all are known
		if from, made := in.origins[i]; made && in.Command != nil {
			in.files[i].Command = in.Command(in.files[i], from, in.files)
		}
	}
	return nil
}

// openOther notes the collection to compare with.
func (in *inputs) openOther() error {
	if in.With == "" {
		return nil
	}
	other, err := CompareOptions{Artefacts: in.Artefacts}.open(in.With)
	if err != nil {
		return err
	}
	return errors.Join(in.read("compared with", in.With, other.from), other.close())
}

// read notes what was read.
func (in *inputs) read(kind, path string, a *cache.Artefact) error {
	f := report.Input{Kind: kind, Path: filepath.ToSlash(path)}
	if a != nil {
		f.SHA256 = a.Hash()
		in.origins[len(in.files)] = artefact.OriginOf(a)
		made := a.Manifest.Origin
		made.TextList = nil // pages list the classes elsewhere
		text, err := json.MarshalIndent(made, "", "  ")
		if err != nil {
			return err
		}
		f.Made = string(text)
	} else {
		var err error
		if f.SHA256, err = artefact.FileHash(path); err != nil {
			return err
		}
	}
	in.files = append(in.files, f)
	return nil
}

func (in *inputs) openClasses() error {
	if in.ClassesPath == "" {
		return nil
	}
	var err error
	if in.classes, err = in.Artefacts.UnitEmbeddings(in.ClassesPath, artefact.OfModel(in.from), in.scores.OV.OutDim); err != nil {
		return err
	}
	if !in.whole {
		return fmt.Errorf("{imagenet-zeroshot-path} %s: %w", in.ClassesPath, artefact.WantWhole(in.scores.Artefact))
	}
	in.classNames = artefact.OriginOf(in.classes.Artefact).TextList
	if len(in.classNames) != in.classes.Texts {
		in.classNames = make([]string, in.classes.Texts)
		for i := range in.classNames {
			in.classNames[i] = strconv.Itoa(i)
		}
	}
	return in.read(artefact.KindEmbeddings, in.ClassesPath, in.classes.Artefact)
}

// openWords opens the words of units, and their embeddings where those are given.
func (in *inputs) openWords() error {
	in.Components = report.Words
	words := in.WordsOptions
	if len(words.DecompositionPaths) > 0 { // codes are read, and embeddings are for texts only
		words.EmbeddingsPath, words.NeuronPCsPath = "", ""
	}
	var err error
	if in.words, err = coding.OpenWords(in.Artefacts, words, in.units.Shape, in.from, in.PCsPath, in.Threads); err != nil || in.EmbeddingsPath == "" {
		return err
	}
	facts := artefact.OfModel(in.from).Texts(in.Words)
	if in.texts, err = in.Artefacts.UnitEmbeddings(in.EmbeddingsPath, facts, in.scores.OV.OutDim); err != nil {
		return err
	}
	if in.texts.Texts != len(in.Words) {
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", in.EmbeddingsPath, quantity.Of(in.texts.Texts, "word"), in.WordsPath, len(in.Words))
	}
	return nil
}

// readWordFiles notes the files that words come from.
func (in *inputs) readWordFiles() error {
	for _, pairs := range []bool{true, false} {
		if c := in.words.Codes(pairs); c != nil {
			if err := in.read(artefact.KindCodes, c.Path, c.Artefact); err != nil {
				return err
			}
		}
	}
	for _, path := range []string{in.WordsPath, in.EmbeddingsPath, in.NeuronPCsPath} {
		if path == "" {
			continue
		}
		a, err := in.Artefacts.Open(path, nil, artefact.KindEmbeddings, artefact.KindComponents)
		if err != nil {
			return err
		}
		kind := "words"
		if a != nil {
			kind = a.Manifest.Kind
		}
		if err := in.read(kind, path, a); err != nil {
			return err
		}
	}
	return nil
}

// wordMeasures are the measures of a pair's words: correlation and AUC of all of them,
// and of the first alone.
const wordMeasures = 4

func (in *inputs) openWordScores() error {
	if in.WordScoresPath == "" {
		return nil
	}
	facts := in.words.Measured(artefact.Of(in.from).Texts(in.Words))
	t, err := in.Artefacts.Tensor(in.WordScoresPath, facts, artefact.KindWordScores)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.WantShape(append(slices.Clone([]int(in.units.Shape)), wordMeasures), ", measures of the words of pairs"); err != nil {
		return err
	}
	if a, scores := t.Artefact, in.scores.Artefact; a != nil && scores != nil && in.Artefacts.Warn != nil {
		if of := a.Manifest.Origin.Parents["contributions"]; of != "" && of != scores.Hash() {
			in.Artefacts.Warn("%s: measured on other scores than %s: how well words predict is of those", in.WordScoresPath, in.ScoresPath)
		}
	}
	in.wordScores = make([]float32, in.pairs()*wordMeasures)
	if err := t.Read(in.wordScores, 0); err != nil {
		return err
	}
	return in.read(artefact.KindWordScores, in.WordScoresPath, t.Artefact)
}

// openData lists the images, for labels and thumbnails.
func (in *inputs) openData(ctx context.Context, say ui.Reporter) error {
	if in.Data.Path == "" {
		return nil
	}
	var err error
	if in.data, err = source.OpenAs(ctx, in.Data, in.scores.Artefact); err != nil {
		return err
	}
	in.items = dataset.ByName(in.data.Items)
	if len(in.data.Classes) > 0 {
		in.labels, in.labelNames = make([]int, len(in.names)), in.data.Classes
	}
	for i, name := range in.names {
		item := in.items[name]
		if item == nil {
			return source.NotFound(in.Data, name, in.ScoresPath)
		}
		if in.labels != nil {
			in.labels[i] = item.Label
		}
	}
	if in.labels != nil && in.classes != nil {
		if err := source.CheckClasses(ctx, in.Artefacts, in.classes, in.Data, say); err != nil {
			return err
		}
	}
	if in.fingerprint, err = in.data.Fingerprint(); err != nil {
		return err
	}
	in.files = append(in.files, report.Input{Kind: report.InputImages, Path: remote.Shown(filepath.ToSlash(in.Data.Path)), SHA256: in.fingerprint, Dataset: in.Data.Kind, LabelKey: in.Data.LabelKey})
	source.NameEmpty(in.data, in.Data.Shown(), say)
	if err := source.NameOtherImages(in.data, in.Data.Path, in.scores.Artefact, in.ScoresPath, in.Strict, say); err != nil {
		return err
	}
	if in.recorded, err = source.RecordedImages(in.scores.Artefact, in.ScoresPath, in.data, in.Strict); err != nil {
		return err
	}
	return source.PrepareAsCollected(&in.Images, in.scores.Artefact)
}

// openGroups reads which group each image belongs to.
func (in *inputs) openGroups(say ui.Reporter) error {
	if in.Groups.Path == "" {
		return nil
	}
	named, err := source.GroupsOf(in.Groups, in.names, say)
	if err != nil {
		return err
	}
	in.groupNames = slices.DeleteFunc(slices.Clone(named), func(name string) bool { return name == "" })
	slices.Sort(in.groupNames)
	in.groupNames = slices.Compact(in.groupNames)
	in.groups = make([]int, len(in.names))
	for i, name := range named {
		in.groups[i] = slices.Index(in.groupNames, name) // report.None of none
	}
	return in.read("groups", in.Groups.Path, nil)
}

// key is the hash of all that the report depends on.
func (in *inputs) key() string {
	facts, err := json.Marshal(struct {
		Format int
		Title  string
		Seed   uint64
		Inputs []report.Input
		Data   dataset.Options
		Images string // of the data set
		Prep   imageprep.Options
		Group  string
		Lines  string // of words
		Kernel string
	}{report.Format, in.title(), in.Seed, in.files, in.Data, in.fingerprint, in.Images, in.Groups.Group, cache.ListHash(in.Words), cache.Family()})
	if err != nil {
		panic(err) // only texts and numbers
	}
	sum := sha256.Sum256(facts)
	return hex.EncodeToString(sum[:])
}

// title is what the report is called.
func (in *inputs) title() string {
	if in.Title != "" {
		return in.Title
	}
	return cmp.Or(in.from.Model, "a model") + " on " + filepath.Base(filepath.Clean(in.ScoresPath))
}

func (in *inputs) pairs() int { return in.scores.OV.Heads * in.scores.OV.Neurons }

// team shares loops out.
func (in *inputs) team() par.Team { return par.NewTeam(in.Threads) }
