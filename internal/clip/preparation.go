package clip

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/hubconfig"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/usage"
)

// Where the way to prepare images comes from, other than the name of a file.
const (
	fromMean   = "{image-mean}"
	fromResize = "{image-resize}"
)

// Input is what images become for the image tower.
func (c Config) Input() imageprep.Input { return imageprep.Input{Side: c.ImageSize, Form: c.Form} }

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
	if d.Recorded != nil {
		recorded = d.Recorded.Form
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
// A preprocessor_config.json does not say of which model it is: beside configurations of other
// models only, it is taken as theirs.
func (c Config) prepsBeside(dir string, huggingFace bool, f *found) (preps []prepSaid) {
	counts, other := false, ""
	for _, name := range hubconfig.Names(huggingFace) {
		m, err := hubconfig.Read(dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil, c.contradiction(m) != nil, c.ViT == (ViT{}) && !m.Stages:
			other = name
		default:
			counts = true
			preps = append(preps, prepSaid{path: filepath.Join(dir, name), Prep: m.Prep})
		}
	}
	path := filepath.Join(dir, hubconfig.PreprocessorName)
	p, err := hubconfig.ReadPreprocessor(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return preps
	case other != "" && !counts:
		f.notes = append(f.notes, fmt.Sprintf("not used: %s, beside %s of another model", path, other))
		return preps
	}
	said := prepSaid{path: path, err: err}
	if err == nil {
		said.Prep = *p
	}
	if huggingFace {
		return append([]prepSaid{said}, preps...)
	}
	return append(preps, said)
}
