package clip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/packed"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// Checkpoint is an open file with the weights of a CLIP.
// Payloads are read when a tower is built, one tensor at a time.
type Checkpoint struct {
	Config Config

	path    string
	file    *ptfile.File
	tensors map[string]ptfile.Tensor // by OpenAI's names
	made    map[string]assembly      // those of tensors that are made of others, of the file
	notes   []string
	found   found // of what no tensor says

	packs   *packed.Store // nil: none are kept
	weights string        // TensorsSHA256

	edit *columnEdit // of the tensors as they are read; nil: none

	ovMutex sync.Mutex
	ov      *decomp.OV // once it is loaded
}

// OpenWith opens a checkpoint in any of the formats that ptfile reads, of which more may be
// known than its tensors say, and checks the names, shapes and dtypes of its tensors. Errors
// name the file and the tensor.
func OpenWith(path string, d Details) (*Checkpoint, error) {
	f, err := ptfile.Open(path)
	if err != nil {
		return nil, withFolderHint(err, path)
	}
	tensors, notes, err := canonical(f.Tensors())
	var config Config
	var made map[string]assembly
	var details found
	if err == nil {
		err = split(tensors)
	}
	if err == nil {
		made = assemble(tensors)
		config, details, err = infer(tensors, f.Format(), filepath.Dir(path), d)
		notes = append(notes, details.notes...)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, withShardHint(withProjectionHint(err, tensors), path))
	}
	if objects := f.Skipped(); len(objects) > 0 {
		notes = append(notes, "left out objects that are not weights: "+foreign.QuoteAll(objects))
	}
	return &Checkpoint{Config: config, path: path, file: f, tensors: tensors, made: made, notes: notes, found: details}, nil
}

// KeepPacked has towers of the checkpoint take their packed weights from a store, or leave
// them there. tensors is the checkpoint's TensorsSHA256.
func (ck *Checkpoint) KeepPacked(store *packed.Store, tensors string) {
	ck.packs, ck.weights = store, tensors
}

// Notes says in a line each what a user should know of how the file was read,
// such as which of two sets of weights in it counts, or what was left out.
func (ck *Checkpoint) Notes() []string {
	notes := slices.Clone(ck.notes)
	if ck.found.guess != "" {
		notes = append(notes, ck.found.guess)
	}
	return notes
}

// HeadsFrom and ActivationFrom say where those come from: {vit-heads} and {activation}, the
// name of a file beside the checkpoint or of a published model, "TorchScript archive", or
// "guess". Of a ResNet both are empty, but for an activation that is not that of all
// published ones by default.
func (ck *Checkpoint) HeadsFrom() string { return ck.found.heads }

// ActivationFrom: see HeadsFrom.
func (ck *Checkpoint) ActivationFrom() string { return ck.found.activation }

// HeadsGuessed and ActivationGuessed report whether nothing says those.
func (ck *Checkpoint) HeadsGuessed() bool { return ck.found.heads == fromGuess }

// ActivationGuessed: see HeadsGuessed.
func (ck *Checkpoint) ActivationGuessed() bool { return ck.found.activation == fromGuess }

// ActivationOpen reports whether the activation is not what d or the format says, so that a
// name by which the weights were published may say it; see Published.
func (ck *Checkpoint) ActivationOpen() bool {
	return ck.found.activation != fromActivation && ck.found.activation != fromFormat
}

// Published takes the activation that the weights were published with, under a name.
func (ck *Checkpoint) Published(name, activation string) {
	ck.Config.setActivation(activation)
	ck.found.activation, ck.found.guess = name, ""
}

// FromTraining reports whether the weights are a training run's, below "state_dict", as
// open_clip saves them, and nothing says their activation. Such a model may have been trained
// with another than OpenAI's, which no tensor tells.
func (ck *Checkpoint) FromTraining() bool {
	return ck.found.activation == "" && strings.HasPrefix(unwrapped(ck.tensors["visual.conv1.weight"].Name), "state_dict.")
}

// RequireText returns an error unless the file holds a text tower, which only
// what embeds texts needs.
func (ck *Checkpoint) RequireText() error {
	if ck.Config.HasText() {
		return ck.found.text
	}
	return fmt.Errorf("%s: only the image tower is there, want the text tower too (token_embedding.weight, transformer.resblocks, ...)", ck.path)
}

// RequireImages returns an error if a file beside the checkpoint says that images are prepared
// in a way that is not known here.
func (ck *Checkpoint) RequireImages() error { return ck.found.images }

// ChannelsFrom and FitFrom say where the mean and the deviation of the channels of images, and
// the way in which these become squares, come from; empty of CLIP's if nothing says so.
func (ck *Checkpoint) ChannelsFrom() string { return ck.found.channels }

// FitFrom: see ChannelsFrom.
func (ck *Checkpoint) FitFrom() string { return ck.found.fit }

// FormToKeep is what a file made of the checkpoint has to say of how images are prepared; nil
// if they are as CLIP's, and nothing says otherwise.
func (ck *Checkpoint) FormToKeep() *imageprep.Form {
	form := ck.Config.Form
	told := ck.found.channels == fromMean || ck.found.fit == fromResize || ck.found.recordedForm
	if form == (imageprep.Form{}) && !told {
		return nil
	}
	return &form
}

// Require returns an error, with the reason, unless the image tower has a structure.
func (ck *Checkpoint) Require(s Structure) error {
	if err := ck.Config.image().has(s); err != nil {
		return fmt.Errorf("%s: %w", ck.path, err)
	}
	return nil
}

// Close closes the file. Towers built from it stay usable.
func (ck *Checkpoint) Close() error { return ck.file.Close() }

// Unchanged returns an error where its files are not those that were opened any more.
func (ck *Checkpoint) Unchanged() error { return ck.file.Unchanged() }

// Path is the path that was given to Open.
func (ck *Checkpoint) Path() string { return ck.path }

// Paths are the files that it is made of: one, or an index and its shards.
func (ck *Checkpoint) Paths() []string { return ck.file.Paths() }

// Format names the format of the file, such as "torchscript".
func (ck *Checkpoint) Format() string { return ck.file.Format() }

// Parameters counts the weights of both towers, without running statistics.
func (ck *Checkpoint) Parameters() int64 {
	total := int64(0)
	for _, p := range ck.Config.parameters() {
		if statistic(p.name) {
			continue
		}
		total += int64(elements(p.shape))
	}
	if _, ok := ck.tensors["logit_scale"]; ok {
		total++
	}
	return total
}

// DTypes lists the number types of the weights, most frequent by size first.
func (ck *Checkpoint) DTypes() []string {
	var names []string
	sizes := map[string]int{}
	for _, p := range ck.Config.parameters() {
		name := ck.tensors[p.name].DType.String()
		if sizes[name] == 0 {
			names = append(names, name)
		}
		sizes[name] += elements(p.shape)
	}
	slices.SortStableFunc(names, func(a, b string) int { return sizes[b] - sizes[a] })
	return names
}

// SHA256 hashes the file that the weights are in, or the index of shards and then the shards, as if they were one
// file. It stops early when ctx is cancelled.
func (ck *Checkpoint) SHA256(ctx context.Context) (string, error) {
	h := sha256.New()
	for _, path := range ck.file.Paths() {
		if err := hashFile(ctx, h, path); err != nil {
			return "", fmt.Errorf("hash weights: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashFile(ctx context.Context, h io.Writer, path string) error {
	f, err := foreign.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(h, &cancellable{ctx, f}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Verify reads every weight once and returns the first error: a damaged
// record, a weight that is NaN or infinite, or a negative variance.
func (ck *Checkpoint) Verify(ctx context.Context) error {
	var r reader
	for _, p := range ck.Config.parameters() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.read(ck, p.name); err != nil {
			return err
		}
	}
	return nil
}

// reader reads tensors into a buffer that it reuses, so that loading needs memory for
// one tensor in addition to the packed weights.
type reader struct{ buf []float32 }

// read returns a tensor, row-major, valid until the next call.
func (r *reader) read(ck *Checkpoint, name string) ([]float32, error) {
	n := elements(ck.tensors[name].Shape) // readInto says where it is missing
	if cap(r.buf) < n {
		r.buf = kernel.Alloc(n)
	}
	return r.buf[:n], ck.readInto(r.buf[:n], name)
}

// readInto reads a tensor of len(dst) values, row-major.
func (ck *Checkpoint) readInto(dst []float32, name string) error {
	t, ok := ck.tensors[name]
	if !ok {
		return fmt.Errorf("%s: tensor %s is missing", ck.path, name)
	}
	if err := ck.float32(name, t, dst); err != nil {
		return err
	}
	if ck.edit != nil {
		ck.edit.apply(name, t.DType.Round, dst)
	}
	variance := strings.HasSuffix(name, ".running_var")
	for i, x := range dst {
		if x-x != 0 { // only NaN and the infinities
			return fmt.Errorf("%s: %s: element %d is %g, want finite weights", ck.path, name, i, x)
		}
		if variance && x < 0 {
			return fmt.Errorf("%s: %s: element %d is %g, want a variance", ck.path, name, i, x)
		}
	}
	return nil
}

// float32 reads rows of a tensor of the file, or the whole of one that is made of others.
func (ck *Checkpoint) float32(name string, t ptfile.Tensor, dst []float32) error {
	if a, made := ck.made[name]; made {
		return a.read(ck.file, dst)
	}
	return ck.file.Float32(t, dst)
}

// keep reads a tensor into memory of its own.
func (ck *Checkpoint) keep(name string) ([]float32, error) {
	kept := kernel.Alloc(elements(ck.tensors[name].Shape))
	return kept, ck.readInto(kept, name)
}

// batchNormEpsilon is what torch adds to a running variance.
const batchNormEpsilon = 1e-5

// folded reads a convolution and folds the batch norm that follows into it:
//
//	y = gamma (w*x - mean)/sqrt(var + eps) + beta = w'*x + bias
//
// Weights are [out][in][k][k], valid until the next read; bias is [out].
func (r *reader) folded(ck *Checkpoint, conv, norm string) (weights, bias []float32, err error) {
	scales, bias, err := ck.foldedNorm(norm)
	if err != nil {
		return nil, nil, err
	}
	if weights, err = r.read(ck, conv+".weight"); err != nil {
		return nil, nil, err
	}
	each := len(weights) / len(scales)
	for o, scale := range scales {
		row := weights[o*each : (o+1)*each]
		for i := range row {
			row[i] = float32(float64(row[i]) * scale)
		}
	}
	return weights, bias, nil
}

// foldedNorm reads a batch norm as what a convolution's weights are multiplied by and its
// bias, [out] both.
func (ck *Checkpoint) foldedNorm(norm string) (scales []float64, bias []float32, err error) {
	var parts [4][]float32
	for i, part := range []string{"weight", "bias", "running_mean", "running_var"} {
		if parts[i], err = ck.keep(norm + "." + part); err != nil {
			return nil, nil, err
		}
	}
	gamma, bias, mean, variance := parts[0], parts[1], parts[2], parts[3]
	scales = make([]float64, len(gamma))
	for o := range gamma {
		scales[o] = float64(gamma[o]) / math.Sqrt(float64(variance[o])+batchNormEpsilon)
		bias[o] = float32(float64(bias[o]) - float64(mean[o])*scales[o])
	}
	return scales, bias, nil
}
