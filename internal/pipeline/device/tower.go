package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/onnxtower"
	"github.com/clipnh/clipnh/internal/pipe"
	"github.com/clipnh/clipnh/internal/usage"
)

// tower is an image tower on a device. Its graph is written and loaded when it is run, with
// the outputs that are wanted then.
type tower struct {
	device     *Device
	checkpoint *clip.Checkpoint
	options    clip.ImageOptions
}

// graph is what the helper has loaded: it holds one at a time, which the towers of a
// device share if they are of one model.
type graph struct {
	checkpoint  *clip.Checkpoint
	neuronLayer int               // of the scores of a vision transformer's pairs; -1: none
	outputs     []onnxtower.Shape // that it has
	spare       [][]float32       // memory for those of them that a run does not want
}

// Tower returns the image tower of a checkpoint, which must stay open, on the device. It
// computes features and scores.
func (d *Device) Tower(ck *clip.Checkpoint, o clip.ImageOptions) (clip.ImageTower, error) {
	switch {
	case o.Precision != kernel.Float32:
		return nil, usage.Errorf("a device computes in float32: want no other {precision}")
	case o.KeepBlocks || o.Lenses != nil || o.AllAttention || o.TokenValues || o.SelfSelf || o.MoreLayers != nil || o.PairTokens || o.ClassAttention || o.FirstOrder || o.TokenParts || o.ClassParts || o.Reads || o.HeadReads:
		return nil, errors.New("a device computes features and scores only")
	}
	return &tower{device: d, checkpoint: ck, options: o}, nil
}

func (t *tower) Config() clip.Config { return t.checkpoint.Config }

func (t *tower) ImageLen() int {
	side := t.checkpoint.Config.ImageSize
	return 3 * side * side
}

func (t *tower) ScoresLen() int { return t.options.ScoresLen(t.checkpoint.Config) }

// Graph and Plan are the device's own affair.
func (t *tower) Graph() []clip.GraphNode   { return nil }
func (t *tower) Plan() []clip.PlannedLayer { return nil }

// Run sends images through the graph and fills features and scores.
func (t *tower) Run(images []float32, out clip.Output) error {
	n := len(images) / t.ImageLen()
	if len(images) != n*t.ImageLen() {
		panic("device: images are not [B,3,S,S]")
	}
	wanted := map[string][]float32{}
	if out.Features != nil {
		wanted[onnxtower.Features] = out.Features
	}
	if out.Scores != nil {
		wanted[onnxtower.Scores] = out.Scores
	}
	if n == 0 || len(wanted) == 0 {
		return nil
	}
	if err := t.load(wanted); err != nil {
		return t.device.failed(err)
	}
	loaded := t.device.loaded
	outputs := make([][]float32, len(loaded.outputs))
	for i, s := range loaded.outputs {
		if outputs[i] = wanted[s.Name]; outputs[i] != nil {
			continue
		}
		need := n
		for _, length := range s.Length {
			need *= length
		}
		if cap(loaded.spare[i]) < need {
			loaded.spare[i] = make([]float32, need)
		}
		outputs[i] = loaded.spare[i][:need]
	}
	return t.device.failed(t.device.client.Run(n, images, outputs))
}

// failed names the device in an error, and says what to do where the helper is lost.
func (d *Device) failed(err error) error {
	if err == nil {
		return nil
	}
	said := fmt.Errorf("device %s: %w", d.kind.Name, err)
	if errors.Is(err, pipe.ErrLost) {
		return hint.With(said, "what is finished is kept: run the same command again to resume, with a smaller {batch-size} if memory may be short")
	}
	return said
}

// load has the helper load a graph with the outputs, unless the one it has serves.
func (t *tower) load(wanted map[string][]float32) error {
	var names []string
	for _, name := range onnxtower.Outputs() {
		if wanted[name] != nil {
			names = append(names, name)
		}
	}
	o, neuronLayer := onnxtower.Options{Outputs: names}, -1
	if t.options.Pairs && slices.Contains(names, onnxtower.Scores) {
		neuronLayer = t.options.NeuronLayer
		o.NeuronLayer = &neuronLayer
	}
	if t.device.loaded.serves(t.checkpoint, neuronLayer, names) {
		return nil
	}
	made, err := onnxtower.New(t.checkpoint, o)
	if err != nil {
		return err
	}
	// The runtime has read the files once the graph is loaded.
	folder, err := os.MkdirTemp("", "clipnh-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path, err := write(made.Model, folder)
	if err != nil {
		return err
	}
	g := pipe.Graph{Path: path, Provider: t.device.kind.Provider, Threads: t.device.threads, Input: value(made.Input)}
	for _, s := range made.Outputs {
		g.Outputs = append(g.Outputs, value(s))
	}
	t.device.loaded = graph{}
	if err := t.device.client.Load(g); err != nil {
		if errors.Is(err, pipe.ErrRefused) {
			return hint.With(err, "the device's driver or the provider's libraries may be missing, or its memory too small: choose another {device}")
		}
		return err
	}
	t.device.loaded = graph{t.checkpoint, neuronLayer, made.Outputs, make([][]float32, len(made.Outputs))}
	return nil
}

// serves reports whether a graph has the outputs for a model.
func (g graph) serves(ck *clip.Checkpoint, neuronLayer int, outputs []string) bool {
	if g.checkpoint != ck || neuronLayer >= 0 && g.neuronLayer != neuronLayer {
		return false
	}
	return !slices.ContainsFunc(outputs, func(name string) bool {
		return !slices.ContainsFunc(g.outputs, func(s onnxtower.Shape) bool { return s.Name == name })
	})
}

func value(s onnxtower.Shape) pipe.Value { return pipe.Value{Name: s.Name, Shape: s.Length} }

// write writes a graph to a folder, with its weights beside it where they must be.
func write(m *onnx.Model, folder string) (path string, err error) {
	path = filepath.Join(folder, "tower.onnx")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if m.Size() <= onnx.MaxBytes {
		return path, m.Write(f)
	}
	data, err := os.Create(path + ".data")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	return path, m.WriteBeside(f, data, filepath.Base(data.Name()))
}
