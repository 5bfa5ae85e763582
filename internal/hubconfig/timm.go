package hubconfig

import (
	"encoding/json"
	"math"
	"path/filepath"
)

// ConfigName is the file in which transformers' models say what they are, and timm's also how images
// are prepared.
const ConfigName = "config.json"

// ReadTimm reads the file of the name ConfigName in a folder as timm's; nil of a file that is not.
func ReadTimm(dir string) (*Prep, error) { return readPrep(filepath.Join(dir, ConfigName), ParseTimm) }

// timmCrop is the share of an image that timm keeps of each side where a file does not say it.
const timmCrop = "0.875"

// ParseTimm reads what a config.json of timm's says of images: in the object pretrained_cfg, or,
// of older releases, beside the architecture. It returns nil of another program's file.
//
// Source: timm, models/_hub.py, load_model_config_from_hf; data/config.py, resolve_data_config;
// data/transforms_factory.py, transforms_imagenet_eval.
func ParseTimm(data []byte) (*Prep, error) {
	var root struct {
		Architecture json.RawMessage `json:"architecture"`
		InputSize    json.RawMessage `json:"input_size"`
		Pretrained   json.RawMessage `json:"pretrained_cfg"`
	}
	if err := decode(data, &root); err != nil {
		return nil, err
	}
	what := "pretrained_cfg."
	if !present(root.Pretrained) {
		if !present(root.Architecture) || !present(root.InputSize) {
			return nil, nil
		}
		what, root.Pretrained = "", data
	}
	var c struct {
		Mean          json.RawMessage `json:"mean"`
		Std           json.RawMessage `json:"std"`
		Interpolation json.RawMessage `json:"interpolation"`
		Crop          json.RawMessage `json:"crop_pct"`
		Mode          json.RawMessage `json:"crop_mode"`
		InputSize     json.RawMessage `json:"input_size"`
	}
	if err := decode(root.Pretrained, &c); err != nil {
		return nil, err
	}
	p := &Prep{}
	p.channels(what+"mean", c.Mean, &p.Mean)
	p.channels(what+"std", c.Std, &p.Std)
	var size []float64 // channels, height and width
	switch {
	case !present(c.InputSize):
	case json.Unmarshal(c.InputSize, &size) == nil && len(size) == 3 && size[0] == 3 && size[1] == size[2] && size[1] > 0 && size[1] <= maxNumber && size[1] == math.Trunc(size[1]):
		p.Side = int(size[1])
	default:
		otherwise(&p.OtherFit, what+"input_size", c.InputSize, "3 channels and the side of a square, twice")
	}
	if !present(c.Interpolation) && !present(c.Crop) && !present(c.Mode) && !present(c.InputSize) {
		return p, nil
	}
	p.Fit = "shortest"
	switch {
	case accepts(c.Mode, "center"):
	case accepts(c.Mode, "squash"):
		p.Fit = "squash"
	default:
		otherwise(&p.OtherFit, what+"crop_mode", c.Mode, `"center" or "squash"`)
	}
	if !present(c.Crop) {
		c.Crop = json.RawMessage(timmCrop)
	}
	if !accepts(c.Crop, 1.) {
		otherwise(&p.OtherFit, what+"crop_pct", c.Crop, "1, all of the image's shorter side")
	}
	if !accepts(c.Interpolation, "bicubic", "bilinear") {
		otherwise(&p.OtherFit, what+"interpolation", c.Interpolation, `"bicubic" or "bilinear"`)
	}
	if present(c.Interpolation) && accepts(c.Interpolation, "bilinear") {
		p.Fit += bilinear
	}
	return p, nil
}
