package clip

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hubconfig"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/usage"
)

// beside is what a file beside a checkpoint says that no tensor does.
type beside struct {
	name       string // of the file; empty if there is none
	activation string
	heads      int // of each layer of a vision transformer
}

// huggingFaceNamed reports whether the tensors have Hugging Face's names in the file.
func huggingFaceNamed(tensors map[string]ptfile.Tensor) bool {
	return strings.Contains(tensors["visual.conv1.weight"].Name, "vision_model.")
}

// beside reads what files in the folder of the checkpoint say of a model of these sizes. The
// first that describes a CLIP, in the order of hubconfig.Names, counts. What d says wins over
// it, which is noted; a file that is needed and cannot be used is an error.
func (d Details) beside(c Config, dir string, huggingFace bool, f *found) (beside, error) {
	var said beside
	for _, name := range hubconfig.Names(huggingFace) {
		m, err := hubconfig.Read(dir, name)
		if errors.Is(err, hubconfig.ErrModelType) && c.ViT != (ViT{}) {
			f.notes = append(f.notes, fmt.Sprintf("not used: %v", err))
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, hubconfig.ErrOther) || err == nil && c.ViT == (ViT{}) && !c.ofResNet(m) {
			continue
		}
		if err == nil {
			if err = c.contradiction(m); err != nil {
				err = fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
			}
		}
		switch {
		case said.name != "":
			if other := c.activationIn(m); err == nil && other != said.activation && d.Activation == "" {
				f.notes = append(f.notes, fmt.Sprintf("%s says the activation %s, and %s %s: used %s", said.name, said.activation, name, foreign.Quote(other), said.activation))
			}
			continue
		case err == nil && d.Activation == "" && !slices.Contains(Activations(), c.activationIn(m)):
			err = fmt.Errorf("%s: activation %s, want %s or %s", filepath.Join(dir, name), foreign.Quote(c.activationIn(m)), QuickGELU, GELU)
		}
		if err != nil && d.settled(c) {
			f.notes = append(f.notes, fmt.Sprintf("not used: %v", err))
			continue
		}
		if err != nil {
			return beside{}, hinted{err, "if it is not of this model, move it elsewhere, or say {activation} and {vit-heads}"}
		}
		if m.Image.Unlike != "" {
			return beside{}, hinted{fmt.Errorf("%s: %s", filepath.Join(dir, name), m.Image.Unlike), "if it is not of this model, move it elsewhere"}
		}
		said = beside{name, c.activationIn(m), headsIn(m)}
		d.noteOthers(said, f)
		f.text = d.textProblem(c, m, filepath.Join(dir, name))
	}
	return said, nil
}

// settled reports whether d and the sizes leave nothing open.
func (d Details) settled(c Config) bool {
	return d.Activation != "" && (c.ViT == (ViT{}) || d.Heads != 0 || publishedHeads(c.ViT) != nil)
}

// noteOthers notes where d says otherwise than a file.
func (d Details) noteOthers(said beside, f *found) {
	if d.Activation != "" && said.activation != d.Activation && (said.activation != "" || d.Recorded == nil) {
		f.notes = append(f.notes, fmt.Sprintf("%s says the activation %s: used %s", said.name, foreign.Quote(said.activation), d.Activation))
	}
	if d.Heads != 0 && said.heads != 0 && said.heads != d.Heads {
		f.notes = append(f.notes, fmt.Sprintf("%s says that layers have heads %d: used %d", said.name, said.heads, d.Heads))
	}
}

// ofResNet reports whether a file is of a CLIP with a ResNet's image tower, of which it says
// no patches.
func (c Config) ofResNet(m *hubconfig.Config) bool {
	return m.Stages && c.contradiction(m) == nil
}

// activationIn is the activation in the blocks, which a ResNet has in its text tower only.
func (c Config) activationIn(m *hubconfig.Config) string {
	switch {
	case m == nil:
		return ""
	case c.ViT == (ViT{}):
		return m.Text.Activation
	}
	return m.Image.Activation
}

// headsIn are the heads of each layer of the image tower, or 0.
func headsIn(m *hubconfig.Config) int {
	if m.Image.HeadWidth != 0 {
		return m.Image.Width / m.Image.HeadWidth
	}
	return m.Image.Heads
}

// contradiction returns an error where a file says other sizes than those of the tensors.
func (c Config) contradiction(m *hubconfig.Config) error {
	type size struct {
		what            string
		said, ofTensors int
	}
	sizes := []size{{"width %d of features", m.OutDim, c.OutDim}, {"images of side %d", m.ImageSize, c.ImageSize}}
	if c.ViT != (ViT{}) {
		if m.TimmName != "" {
			return fmt.Errorf("vision_cfg.timm_model_name %s, an image tower of timm's, want one of open_clip's as in the weights", foreign.Quote(m.TimmName))
		}
		if m.Stages {
			return errors.New("a ResNet as the image tower, want a vision transformer as in the weights")
		}
		sizes = append(sizes, size{"patches of side %d", m.Patch, c.ViT.Patch}, size{"width %d of the image tower", m.Image.Width, c.ViT.Width},
			size{"number of layers %d of the image tower", m.Image.Layers, c.ViT.Layers}, size{"number of neurons %d in a layer of the image tower", m.Image.MLP, c.ViT.MLP})
	}
	if c.HasText() {
		sizes = append(sizes, size{"width %d of the text tower", m.Text.Width, c.TextWidth}, size{"number of layers %d of the text tower", m.Text.Layers, c.TextLayers})
	}
	for _, s := range sizes {
		if s.said != 0 && s.said != s.ofTensors {
			return fmt.Errorf(s.what+", want %d as in the weights", s.said, s.ofTensors)
		}
	}
	if heads := headsIn(m); c.ViT != (ViT{}) && heads != 0 && c.ViT.Width%heads != 0 {
		return fmt.Errorf("heads %d in a layer of width %d, want a number that divides it", heads, c.ViT.Width)
	}
	return nil
}

// textProblem says why the text tower cannot be used, by what a file says of it.
func (d Details) textProblem(c Config, m *hubconfig.Config, path string) error {
	image := c.activationIn(m)
	switch {
	case !c.HasText():
	case m.Text.Unlike != "":
		return fmt.Errorf("%s: %s", path, m.Text.Unlike)
	case m.Text.Heads != 0 && m.Text.Heads != c.TextHeads():
		return fmt.Errorf("%s: heads %d in a layer of the text tower, want %d, of width %d", path, m.Text.Heads, c.TextHeads(), HeadWidth)
	case d.Activation == "" && m.Text.Activation != "" && m.Text.Activation != image:
		return hinted{
			fmt.Errorf("%s: activation %s of the text tower, want %s as of the image tower", path, foreign.Quote(m.Text.Activation), image),
			"say {activation}, which is then that of both",
		}
	}
	return nil
}

// Where the way to prepare images comes from, other than the name of a file.
const (
	fromMean   = "{image-mean}"
	fromResize = "{image-resize}"
)

// prepSaid is what a file says of how images are prepared.
type prepSaid struct {
	path string
	hubconfig.Prep
	err error // why it cannot be read
}

// prepare finds how images are prepared: as d says, as the manifest of the checkpoint does, as
// files beside it do, or as for CLIP. What cannot be done is an error once images are read.
func (d Details) prepare(c *Config, format, dir string, huggingFace bool, f *found) error {
	if (d.Mean == nil) != (d.Std == nil) {
		return usage.Errorf("one of {image-mean} and {image-std} is given, want both")
	}
	var preps []prepSaid
	if format != formatTorchScript {
		preps = c.prepsBeside(dir, huggingFace, f)
	}
	var recorded *imageprep.Form
	if r := d.Recorded; r != nil {
		if r.FormError != nil {
			return fmt.Errorf("%s: %w", r.From, r.FormError)
		}
		recorded = r.Form
	}
	if err := d.prepareChannels(c, preps, recorded, f); err != nil {
		return err
	}
	d.prepareFit(c, preps, recorded, f)
	return nil
}

func (d Details) prepareChannels(c *Config, preps []prepSaid, recorded *imageprep.Form, f *found) (err error) {
	settled := false
	switch {
	case d.Mean != nil:
		if c.Form.Channels, err = imageprep.NewChannels(*d.Mean, *d.Std); err != nil {
			return usage.Errorf("{image-mean} and {image-std}: %w", err)
		}
		f.channels, settled = fromMean, true
	case recorded != nil:
		c.Form.Channels, f.channels, f.recordedForm, settled = recorded.Channels, d.Recorded.From, true, true
	}
	for _, p := range preps {
		channels, said, err := p.channels()
		if !said {
			continue
		}
		switch {
		case err != nil && settled:
			f.notes = append(f.notes, fmt.Sprintf("not used: %v", err))
		case err != nil:
			f.images = hinted{err, "if it is not of this model, move it elsewhere, or say {image-mean} and {image-std}"}
		case !settled:
			c.Form.Channels, f.channels = channels, filepath.Base(p.path)
		case channels != c.Form.Channels:
			f.notes = append(f.notes, fmt.Sprintf("%s says that channels of images have %s: used %s", filepath.Base(p.path), channelsText(channels), channelsText(c.Form.Channels)))
		}
		settled = true
	}
	return nil
}

func channelsText(c imageprep.Channels) string {
	mean, std := c.Numbers()
	return fmt.Sprintf("mean %s, std %s", imageprep.FormatNumbers(mean), imageprep.FormatNumbers(std))
}

func (d Details) prepareFit(c *Config, preps []prepSaid, recorded *imageprep.Form, f *found) {
	settled := false
	switch {
	case d.Fit != nil:
		c.Form.Fit, f.fit, settled = *d.Fit, fromResize, true
	case recorded != nil:
		c.Form.Fit, f.fit, settled = recorded.Fit, d.Recorded.From, true
	}
	for _, p := range preps {
		fit, said, err := p.fit(c.ImageSize)
		if !said {
			continue
		}
		switch {
		case err != nil && settled:
			f.notes = append(f.notes, fmt.Sprintf("not used: %v", err))
		case err != nil && f.images == nil:
			f.images = hinted{err, fmt.Sprintf("if it is not of this model, move it elsewhere; to prepare images as CLIP's all the same, say {image-resize} %s", imageprep.Shortest)}
		case err != nil:
		case !settled:
			c.Form.Fit, f.fit = fit, filepath.Base(p.path)
		case fit != c.Form.Fit:
			f.notes = append(f.notes, fmt.Sprintf("%s says that images become squares by %s: used %s", filepath.Base(p.path), fit, c.Form.Fit))
		}
		settled = true
	}
}

// channels are what a file says of them, if it says anything.
func (p prepSaid) channels() (c imageprep.Channels, said bool, err error) {
	switch {
	case p.err != nil:
		return c, true, p.err
	case p.OtherChannels != "":
		return c, true, fmt.Errorf("%s: %s", p.path, p.OtherChannels)
	case p.Mean == nil && p.Std == nil:
		return c, false, nil
	}
	mean, std := imageprep.Channels{}.Numbers()
	for i := range mean {
		if p.Mean != nil {
			mean[i] = float32(p.Mean[i])
		}
		if p.Std != nil {
			std[i] = float32(p.Std[i])
		}
	}
	if c, err = imageprep.NewChannels(mean, std); err != nil {
		err = fmt.Errorf("%s: %w", p.path, err)
	}
	return c, true, err
}

// fit is what a file says of how images become squares, if it says anything.
func (p prepSaid) fit(side int) (fit imageprep.Fit, said bool, err error) {
	switch {
	case p.err != nil:
		return fit, true, p.err
	case p.OtherFit != "":
		return fit, true, fmt.Errorf("%s: %s", p.path, p.OtherFit)
	case p.Side != 0 && p.Side != side:
		return fit, true, fmt.Errorf("%s: images of side %d, want %d as in the weights", p.path, p.Side, side)
	case p.Fit == "":
		return fit, false, nil
	}
	if fit, err = imageprep.ParseFit(p.Fit); err != nil {
		err = fmt.Errorf("%s: %w", p.path, err)
	}
	return fit, true, err
}

// prepsBeside reads what files in the folder of the checkpoint say, the one that counts first.
// Hugging Face's preprocessors do not say of which model they are: beside configurations of other
// models only, they are taken as theirs. Neither do timm's configurations, but for the side of
// images.
func (c Config) prepsBeside(dir string, huggingFace bool, f *found) (preps []prepSaid) {
	counts, other := false, ""
	for _, name := range hubconfig.Names(huggingFace) {
		m, err := hubconfig.Read(dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case name == hubconfig.ConfigName && errors.Is(err, hubconfig.ErrOther):
			timm, err := hubconfig.ReadTimm(dir)
			if timm == nil && err == nil {
				other = name
				continue
			}
			counts = true
			preps = append(preps, newPrepSaid(dir, name, timm, err))
		case err != nil, c.contradiction(m) != nil, c.ViT == (ViT{}) && !m.Stages:
			other = name
		default:
			counts = true
			preps = append(preps, newPrepSaid(dir, name, &m.Prep, nil))
		}
	}
	var own []prepSaid
	for _, name := range hubconfig.Preprocessors() {
		p, err := hubconfig.ReadPreprocessor(dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist), p == nil && err == nil:
		case other != "" && !counts:
			f.notes = append(f.notes, fmt.Sprintf("not used: %s, beside %s of another model", filepath.Join(dir, name), other))
		default:
			own = append(own, newPrepSaid(dir, name, p, err))
		}
	}
	if huggingFace {
		return append(own, preps...)
	}
	return append(preps, own...)
}

// newPrepSaid is what the file of that name in a folder says, or why it cannot be read.
func newPrepSaid(dir, name string, p *hubconfig.Prep, err error) prepSaid {
	said := prepSaid{path: filepath.Join(dir, name), err: err}
	if err == nil {
		said.Prep = *p
	}
	return said
}
