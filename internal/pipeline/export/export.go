// Package export writes the image tower of a checkpoint in formats of other programs.
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/onnxtower"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// How weights are stored.
const (
	Float32 = "f32"
	Float16 = "f16" // filters and matrices; what is computed stays float32
)

// dtypes are the names of their types in manifests.
var dtypes = map[string]string{Float32: npy.Float32.String(), Float16: npy.Float16.String()}

// Where weights are stored.
const (
	Inside = "inside"        // the model's file
	Beside = artefact.Beside // a file of their own
)

// Outputs lists what a model can compute.
func Outputs() []string { return onnxtower.Outputs() }

// CheckOutputs returns an error unless names are distinct outputs, at least one.
func CheckOutputs(names []string) error { return onnxtower.CheckOutputs(names) }

// Options says what to write.
type Options struct {
	Model       string
	Details     model.Details
	SavePath    string // .onnx
	Outputs     []string
	Precision   string // Float32 or Float16
	Weights     string // Inside or Beside
	NeuronLayer *int   // of a vision transformer, whose pairs are scored; nil: none
	Writer      artefact.Writer
}

// Result is what Run wrote.
type Result struct {
	Path        string `json:"path"`
	WeightsPath string `json:"weights_path,omitempty"` // of weights that are beside it
	SHA256      string `json:"sha256"`                 // of the file at path
	Bytes       int64  `json:"bytes"`                  // of all files

	From        string `json:"from"`
	FromSHA256  string `json:"from_sha256"`
	FromTensors string `json:"from_tensors_sha256"`

	IRVersion  int    `json:"ir_version"`
	Opset      int    `json:"opset"`
	Precision  string `json:"precision"` // of stored filters and matrices
	Rounded    int64  `json:"rounded"`   // weights that float16 does not hold exactly
	BatchNorms string `json:"batch_norms,omitempty"`

	Input   onnxtower.Shape   `json:"input"`
	Outputs []onnxtower.Shape `json:"outputs"`
	Mean    [3]float32        `json:"mean"` // of the channels that the input is normalised with
	Std     [3]float32        `json:"std"`
}

// Run writes the image tower of a model.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := artefact.MakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	m.Tell(say)
	if err := m.RequireImages(); err != nil { // which the graph says
		return nil, err
	}
	tower, err := onnxtower.New(m.Checkpoint, onnxtower.Options{Outputs: o.Outputs, Half: o.Precision == Float16, NeuronLayer: o.NeuronLayer})
	if err != nil {
		return nil, err
	}
	e := &exporter{Options: o, model: m, tower: tower, say: say}
	e.describe()
	if o.Weights == Inside && tower.Model.Size() > onnx.MaxBytes {
		return nil, hint.With(fmt.Errorf("write %s: %w", o.SavePath, onnx.ErrTooLarge), "put the weights into a file of their own, with {weights} beside")
	}
	return e.run(ctx)
}

// exporter is a Run under way.
type exporter struct {
	Options
	model *model.Model
	tower *onnxtower.Tower
	say   ui.Reporter
}

// describe fills in what the model says of itself.
func (e *exporter) describe() {
	c := e.model.Config
	mean, std := c.Form.Numbers()
	m := e.tower.Model
	m.Producer, m.Version = "clipnh", build.Current().Version
	m.Doc = fmt.Sprintf("Image tower of a CLIP (%s, %s): normalised images to %s. See docs/onnx.md of clipnh.", c.Name(), c.Family(), strings.Join(e.Outputs, ", "))
	add := func(key, value string) { m.Metadata = append(m.Metadata, onnx.Property{Key: key, Value: value}) }
	add("architecture", c.Name())
	add("weights_sha256", e.model.Hash)
	add("tensors_sha256", e.model.Tensors)
	add("stored_weights", e.Precision)
	m.Metadata = append(m.Metadata, e.tower.Properties...)
	add("image_size", strconv.Itoa(c.ImageSize))
	add("image_mean", joined(mean))
	add("image_std", joined(std))
	add("image_resize", c.Form.Fit.Words()+"; RGB, 0 to 1, channels first")
	for _, s := range e.tower.Outputs {
		add("axes_"+s.Name, s.Axes)
	}
}

func joined(values [3]float32) string {
	return fmt.Sprintf("%v %v %v", values[0], values[1], values[2])
}

// origin says what the files are made from.
func (e *exporter) origin() origin.Origin {
	layer := -1
	if e.NeuronLayer != nil {
		layer = *e.NeuronLayer
	}
	return origin.Origin{
		Model: e.model.Config.Name(), Weights: e.model.Hash, Tensors: e.model.Tensors, Transformer: e.model.Transformer(layer),
		Export: &origin.Export{Opset: onnx.Opset, Stored: e.Precision, Place: e.Weights, Outputs: strings.Join(e.Outputs, ","), Form: model.FormOrigin(e.model.Config.Form)},
	}.Own()
}

func (e *exporter) run(ctx context.Context) (*Result, error) {
	c, from, weights := e.model.Config, e.origin(), ""
	if e.Weights == Beside {
		weights = artefact.WeightsBeside(e.SavePath)
	}
	if err := e.Writer.MayReplace(e.SavePath, artefact.KindONNX, from); err != nil {
		return nil, err
	}
	if err := e.Writer.MayReplace(weights, artefact.KindONNXWeights, from); err != nil {
		return nil, err
	}
	if weights != "" {
		if err := e.discard(from); err != nil {
			return nil, err
		}
	}
	progress := e.say.Progress()
	total := int64(0)
	for _, t := range e.tower.Model.Graph.Tensors {
		total += t.Bytes()
	}
	progress.Start(total, ui.Bytes, "write")
	defer progress.Done()
	e.tower.Model.OnTensor(func(bytes int64) error {
		progress.Add(bytes)
		return ctx.Err()
	})
	manifest := artefact.ONNXManifest(c.Heads(), c.Neurons(), c.OutDim, dtypes[e.Precision], from)
	hash, err := e.Writer.SaveONNX(e.SavePath, weights, manifest, func(to, data io.Writer) error {
		if data == nil {
			return e.tower.Model.Write(to)
		}
		return e.tower.Model.WriteBeside(to, data, filepath.Base(weights))
	})
	if err != nil {
		return nil, err
	}
	progress.Done()
	mean, std := c.Form.Numbers()
	r := &Result{
		Path: e.SavePath, WeightsPath: weights, SHA256: hash, From: e.Model, FromSHA256: e.model.Hash, FromTensors: e.model.Tensors,
		IRVersion: onnx.IRVersion, Opset: onnx.Opset, Precision: e.Precision, Rounded: e.tower.Rounded, BatchNorms: e.tower.BatchNorms,
		Input: e.tower.Input, Outputs: e.tower.Outputs, Mean: mean, Std: std,
	}
	for _, path := range []string{e.SavePath, weights} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		r.Bytes += info.Size()
	}
	if r.Rounded > 0 {
		e.say.Note("%s of %s %s rounded to float16: features move a little; {precision} f32 keeps them", quantity.Of(r.Rounded, "weight"), c.Name(), quantity.Is(r.Rounded))
	}
	if weights == "" {
		e.sayUnused()
	}
	return r, nil
}

// discard removes a model that was made from something else, before its weights are
// replaced: read with others, it would be neither.
func (e *exporter) discard(from origin.Origin) error {
	a, err := cache.Open(e.SavePath)
	if err != nil || a.IsOf(artefact.KindONNX, from) == nil {
		return nil // there is none, or its weights are the same
	}
	return e.Writer.Store.RemoveFile(e.SavePath)
}

// sayUnused names weights that an earlier model left.
func (e *exporter) sayUnused() {
	path := artefact.WeightsBeside(e.SavePath)
	a, err := cache.Inspect(path)
	if err == nil && a.Manifest.Kind == artefact.KindONNXWeights {
		e.say.Note("%s: no model reads these weights any more", path)
	} else if err != nil && !errors.Is(err, cache.ErrMissing) && !errors.Is(err, cache.ErrNoManifest) {
		e.say.Note("%s: the model does not read it: %v", path, err)
	}
}
