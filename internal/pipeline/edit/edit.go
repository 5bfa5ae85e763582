// Package edit takes neuron-head pairs out of a checkpoint's weights, or scales them, and
// writes an ordinary checkpoint.
package edit

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// What takes the place of what a pair loses.
const (
	ByMean = "mean" // its mean contribution
	ByZero = "zero" // nothing: its score counts as zero
)

// Options says which pairs of a checkpoint to change, and how.
type Options struct {
	Artefacts artefact.Reader
	Model     string
	SavePath  string // .pt or .safetensors
	Writer    artefact.Writer
	Threads   int

	Remove     []string // units, such as h21n624, or n17 for all pairs of a neuron
	Scale      []Scaled
	MaskPath   string // .npy, bool [H,C] or [C]: what it does not keep is removed
	InvertMask bool   // or what it keeps
	TextOptions

	By         string // ByMean or ByZero
	MeansPath  string // mean contributions, .npy [H,C,O], of neurons mean activations, [C,T], of heads what they add on average, [L,H,O]; or
	ScoresPath string // a folder of scores, of their means, or of statistics

	// Images are those whose features are compared before and after; without a data path,
	// none. Its model is Model, and its details and layer of neurons are the model's.
	Images source.Options
}

// Scaled is a unit and what its share is multiplied by.
type Scaled struct {
	Unit   string
	Factor float64
}

// Result is what Run wrote.
type Result struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	SHA256 string `json:"sha256"`

	From       string `json:"from"`
	FromFormat string `json:"from_format"`
	FromSHA256 string `json:"from_sha256"`

	By      string   `json:"by"`
	Heads   int      `json:"heads"`   // H; of a layer, where heads are edited; 0 of neurons of the last layer of a vision transformer, which no head reads
	Neurons int      `json:"neurons"` // C
	Pairs   int      `json:"pairs"`   // whose factor is not 1
	Columns int      `json:"columns"` // of the edited matrix whose weights are other ones now: of W_V, of the MLP's output weights, or of those of attention
	Rounded int      `json:"rounded"` // weights that their type could not hold exactly
	DType   string   `json:"dtype"`   // of that matrix
	Changes []Change `json:"changes"` // in the order of heads and neurons
	Texts   []Text   `json:"texts"`
	Bias    Bias     `json:"bias"`

	LeftOut  []string `json:"left_out"` // tensors that the new file does not have
	Unedited []string `json:"unedited"` // other copies of the edited weights

	// Precision is that of the products that means, norms or components were computed
	// with, where they say so; the edited bias has its error.
	Precision string `json:"precision,omitempty"`

	Moved    *Movement        `json:"moved,omitempty"`
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of the features that moved, in reduced precision
	Skipped  []source.Skipped `json:"skipped"`                   // images that could not be compared
}

// Change is a pair that was edited, a neuron with all its pairs, or a head.
type Change struct {
	Pair           string   `json:"pair,omitempty"`
	Neuron         string   `json:"neuron,omitempty"`
	Head           string   `json:"head,omitempty"` // of a layer of a vision transformer
	Factor         float64  `json:"factor"`
	MeanScore      *float64 `json:"mean_score,omitempty"`      // of a pair; 0 by zero
	MeanActivation *float64 `json:"mean_activation,omitempty"` // of a neuron; 0 by zero
	MeanOutput     *float64 `json:"mean_output,omitempty"`     // of a head, by mean: the size of what it adds to the residual then
	Length         float64  `json:"length"`                    // before: of the pair's direction, |v|, of the neuron's column, or of all columns of the head
}

// Name is the unit's.
func (c *Change) Name() string { return c.Pair + c.Neuron + c.Head }

// Mean is that of the unit's score or activation, or the size of what a head adds at its mean.
func (c *Change) Mean() float64 { return *cmp.Or(c.MeanScore, c.MeanActivation, c.MeanOutput) }

// Bias is what became of the bias that is added after the edited matrix: c_proj's.
type Bias struct {
	Before   float64 `json:"before"` // its norm
	Change   float64 `json:"change"` // norm of what was added to it
	DType    string  `json:"dtype"`  // as written
	WasDType string  `json:"was_dtype"`
	Rounding float64 `json:"rounding"` // largest error in an element if it is read as WasDType
}

// formats are the writers by what file names end in.
var formats = map[string]struct {
	name  string
	flat  bool // names without dicts around them
	write func(io.Writer, []ptfile.Entry) error
}{
	".pt":          {ptfile.FormatZip, false, ptfile.WriteZip},
	".safetensors": {ptfile.FormatSafetensors, true, ptfile.WriteSafetensors},
}

// CanWrite reports whether a path names a format that checkpoints are written in.
func CanWrite(path string) bool {
	_, known := formats[filepath.Ext(path)]
	return known
}

// Run writes a checkpoint in which the contributions s·v + b of some pairs are
// (α·s + (1-α)·m)·v + b, with m their mean score, or 0, and α 0 of those that are removed.
// Where weights do not hold the pairs of a neuron apart, its activations p are α·p +
// (1-α)·m instead; see clip.PairWeights. All other tensors keep their bytes. Nothing is written unless everything that is asked
// for can be done.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := artefact.CanMakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	if err := notItself(o.SavePath, []string{o.Model}); err != nil { // its shards are looked at when it is open
		return nil, err
	}
	if err := o.Writer.Store.CanSave(o.SavePath, artefact.KindCheckpoint); err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Images.Details)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if o.Images.Data.Path == "" {
		m.Tell(say) // else the source of the images does
	}
	if err := notItself(o.SavePath, m.Paths()); err != nil {
		return nil, err
	}
	if err := m.Verify(ctx); err != nil {
		return nil, err
	}
	e := &editor{Options: o, model: m, say: say, team: par.NewTeam(o.Threads)}
	if err := e.ofThisModel(); err != nil {
		return nil, err
	}
	if m.Config.Has(clip.Residual) {
		if o.namesHeads() { // those of an attention pool are their pairs
			return e.run(ctx)
		}
		if e.Images.NeuronLayer, err = e.layerOfNeurons(); err != nil {
			return nil, err
		}
		if e.last {
			return e.runLast(ctx)
		}
	}
	pairs, err := m.Pairs(e.Images.NeuronLayer)
	if err != nil {
		return nil, err
	}
	e.weights = pairs.Weights()
	e.units = unit.Layered{Shape: unit.Shape{pairs.Heads, pairs.Neurons}, Layers: unit.Layers{First: pairs.FirstLayer, Heads: pairs.LayerHeads}}
	if e.ov, err = pairs.OV(); err != nil {
		return nil, err
	}
	return e.run(ctx)
}

// notItself refuses to replace the model that is read.
func notItself(save string, inputs []string) error {
	there, err := os.Stat(save)
	if err != nil {
		return nil // nothing is there
	}
	for _, path := range inputs {
		if in, err := os.Stat(path); err == nil && os.SameFile(in, there) {
			return hint.With(usage.Errorf("write %s: it is the model that is edited", save), "give another {save-path}")
		}
	}
	return nil
}

// editor is a Run under way.
type editor struct {
	Options
	model   *model.Model
	say     ui.Reporter
	team    par.Team
	units   unit.Layered     // the pairs
	last    bool             // neurons of the last layer are edited, which units are
	weights clip.PairWeights // of pairs or of the last layer's neurons; nil where heads are edited
	ov      *decomp.OV       // of pairs
	from    origin.Origin    // of the new checkpoint

	meanHeads []float32 // what edited heads add to features on average, [heads,O]; nil of others, and by zero

	precision string // that artefacts read so far were collected in, where one says so
	result    Result
}

func (e *editor) run(ctx context.Context) (*Result, error) {
	m := e.model
	e.from = origin.Origin{Model: m.Config.Name(), Weights: m.Hash, Tensors: m.Tensors, Transformer: e.pairsOrigin().Transformer}.Own()
	// Of weights that were edited before; a manifest that is not of these bytes says nothing.
	if before, err := artefact.EditedCheckpoint(e.Model); err == nil && before != nil && before.Manifest.Payloads[0].SHA256 == m.Hash {
		e.from.AddParent("checkpoint", before.Hash(), before.Manifest.Origin.Subject())
		e.from.EarlierEdits = before.Manifest.Origin.EditSteps()
	}
	prepare := e.preparePairs
	if e.weights == nil {
		prepare = e.prepareHeads
	}
	edit, err := prepare(ctx)
	if err != nil {
		return nil, err
	}
	e.describe(edit)
	if e.result.Precision = e.precision; e.precision == origin.BFloat16 {
		e.say.Note("the scores or means were computed with bf16 products, and the edit has their error")
	}
	if e.Images.Data.Path != "" {
		if e.result.Moved, err = e.move(ctx, edit); err != nil {
			return nil, err
		}
	}
	return &e.result, e.write(ctx, edit)
}

// preparePairs prepares the edit of what is asked for, unless something else is at the path.
func (e *editor) preparePairs(ctx context.Context) (*clip.Edit, error) {
	chosen, mask, err := e.choose(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.weights.Check(chosen.factors); err != nil {
		return nil, e.inseparable(err)
	}
	means, err := e.means(ctx, chosen, mask)
	if err != nil {
		return nil, err
	}
	e.from.Edit.Activation, e.from.Edit.Guessed = e.model.Unsaid()
	e.from.Edit.Images = e.model.FormToKeep()
	if err := e.Writer.MayReplace(e.SavePath, artefact.KindCheckpoint, e.from); err != nil {
		return nil, err
	}
	return e.weights.Edit(chosen.factors, means)
}

// prepareHeads is preparePairs of heads.
func (e *editor) prepareHeads(context.Context) (*clip.Edit, error) {
	chosen, err := e.chooseHeads()
	if err != nil {
		return nil, err
	}
	outputs, err := e.headOutputs(chosen)
	if err != nil {
		return nil, err
	}
	e.from.Edit.Activation, e.from.Edit.Guessed = e.model.Unsaid()
	e.from.Edit.Images = e.model.FormToKeep()
	if err := e.Writer.MayReplace(e.SavePath, artefact.KindCheckpoint, e.from); err != nil {
		return nil, err
	}
	e.meanHeads = chosen.means
	return e.model.EditHeads(chosen.layer, chosen.factors, outputs)
}

// inseparable says of pairs that have no weights of their own what can be done instead.
func (e *editor) inseparable(err error) error {
	var shared *clip.InseparableError
	if !errors.As(err, &shared) {
		return err
	}
	neuron := e.units.Layers.Neuron(shared.Neuron)
	return inseparable(e.Model, e.units.Name(shared.Pair), neuron, neuron)
}

// write writes the checkpoint and its manifest.
func (e *editor) write(ctx context.Context, edit *clip.Edit) error {
	r, ck, f := &e.result, e.model.Checkpoint, formats[filepath.Ext(e.SavePath)]
	if err := artefact.MakeFolders(e.SavePath); err != nil {
		return err
	}
	progress := e.say.Progress()
	edition, err := ck.Edition(ctx, edit, f.flat, progress.Add)
	if err != nil {
		return err
	}
	m := artefact.CheckpointManifest(r.Heads, r.Neurons, e.model.Config.OutDim, r.DType, e.from)
	progress.Start(edition.Bytes, ui.Bytes, "write")
	defer progress.Done()
	r.SHA256, err = e.Writer.SaveCheckpoint(e.SavePath, m, func(w io.Writer) error { return edition.Write(w, f.write) })
	if err != nil {
		return err
	}
	progress.Done()
	r.Path, r.Format, r.LeftOut, r.Unedited = e.SavePath, f.name, append(r.LeftOut, edition.LeftOut...), append(r.Unedited, edition.Unedited...)
	r.From, r.FromFormat, r.FromSHA256 = e.Model, ck.Format(), e.model.Hash
	e.tell(ck)
	return nil
}

// tell says what about the new file is not plain.
func (e *editor) tell(ck *clip.Checkpoint) {
	r := &e.result
	switch {
	case len(ck.Paths()) > 1:
		e.say.Note("%s: the shards of the model are one file now", r.Path)
	case ck.Format() == ptfile.FormatTorchScript:
		e.say.Note("%s: a state dict; the code of the TorchScript archive is left out", r.Path)
	}
	if n := len(r.LeftOut); n > 0 {
		e.say.Note("%s: without %s from outside of the model's state dict, such as %s", r.Path, quantity.Of(n, "tensor"), r.LeftOut[0])
	}
	for _, name := range r.Unedited {
		e.say.Warn("%s: %s is written as it was: edit changes one set of weights", r.Path, name)
	}
	if r.Columns == 0 {
		e.say.Note("no weight changes: every tensor has the bytes that it had")
	}
	if r.Rounded > 0 && r.DType != ptfile.Float32.String() && r.DType != ptfile.Float64.String() {
		e.say.Note("%s %s rounded to %s", quantity.Of(r.Rounded, "scaled weight"), quantity.Is(r.Rounded), r.DType)
	}
	if r.Bias.DType != r.Bias.WasDType {
		e.say.Note("c_proj's bias is written in %s; a reader that rounds it to %s, such as OpenAI's build_model, moves features by at most %.2g in each dimension",
			r.Bias.DType, r.Bias.WasDType, r.Bias.Rounding)
	}
}

// describe fills in what changes.
func (e *editor) describe(edit *clip.Edit) {
	r := &e.result
	r.By, r.Heads, r.Neurons, r.DType, r.Changes = e.By, e.model.Config.Heads(), e.model.Config.Neurons(), edit.Matrix.String(), []Change{}
	switch {
	case e.last:
		r.Heads = 0
	case e.ov != nil:
		r.Heads = e.ov.Heads
	}
	r.Skipped, r.LeftOut, r.Unedited = []source.Skipped{}, []string{}, []string{}
	r.Columns, r.Rounded = edit.Columns, edit.Rounded
	for _, u := range edit.Units {
		c, mean := Change{Factor: u.Factor, Length: u.Length}, u.Mean
		switch edit.Of {
		case clip.EditedPairs:
			c.Pair, c.MeanScore = e.units.Name(u.Unit), &mean
			r.Pairs++
		case clip.EditedNeurons:
			c.Neuron, c.MeanActivation = e.units.Layers.Neuron(u.Unit), &mean
			r.Pairs += r.Heads
		case clip.EditedHeads:
			c.Head = unit.Layers{Heads: e.model.Config.Heads()}.Head(u.Unit)
			if e.By == ByMean {
				c.MeanOutput = &mean
			}
		}
		r.Changes = append(r.Changes, c)
	}
	r.Bias = Bias{
		Before: edit.Bias.Before, Change: edit.Bias.Change, DType: edit.Bias.Is.String(), WasDType: edit.Bias.Was.String(), Rounding: edit.Bias.Rounding,
	}
}

var errNothing = usage.Errorf("nothing to edit: want {remove}, {remove-mask}, {remove-text} or {scale}")
