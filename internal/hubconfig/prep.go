package hubconfig

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// ProcessorName and PreprocessorName are the files in which Hugging Face's models say how images
// are prepared: of the two, the first counts, in which newer releases write it together with what
// prepares texts. open_clip's and timm's models say it in their configuration.
const (
	ProcessorName    = "processor_config.json"
	PreprocessorName = "preprocessor_config.json"
)

// Preprocessors lists these names, the one that counts first.
func Preprocessors() []string { return []string{ProcessorName, PreprocessorName} }

// Prep is what a file says of how images are prepared.
type Prep struct {
	Mean, Std *[3]float64 // of channels of images from 0 to 1; nil: not said
	// Fit is how images become squares: shortest or squash, with -bilinear in place of bicubic
	// interpolation; empty: not said. Side is that of the square; 0: not said.
	Fit  string
	Side int

	// OtherChannels and OtherFit say which field, with its value and what is wanted, makes the
	// channels or the squares others than these can be; empty of none.
	OtherChannels, OtherFit string
}

// ReadPreprocessor reads the file of that name, one of Preprocessors, in a folder. It returns nil
// of a file that says nothing of images, as those of older releases.
func ReadPreprocessor(dir, name string) (*Prep, error) {
	parse := ParsePreprocessor
	if name == ProcessorName {
		parse = ParseProcessor
	}
	return readPrep(filepath.Join(dir, name), parse)
}

func readPrep(path string, parse func(data []byte) (*Prep, error)) (*Prep, error) {
	data, err := foreign.ReadFile(path, MaxBytes)
	if err != nil {
		return nil, err
	}
	p, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

const bilinear = "-bilinear"

// channels takes a mean or a standard deviation: three numbers, or one for all.
func (p *Prep) channels(field string, raw json.RawMessage, into **[3]float64) {
	if !present(raw) {
		return
	}
	var one float64
	var all []float64
	switch {
	case json.Unmarshal(raw, &one) == nil:
		*into = &[3]float64{one, one, one}
	case json.Unmarshal(raw, &all) == nil && len(all) == 3:
		*into = &[3]float64{all[0], all[1], all[2]}
	default:
		otherwise(&p.OtherChannels, field, raw, "three numbers")
	}
}

// otherwise says what a field is, unless another one is said already.
func otherwise(other *string, field string, raw json.RawMessage, want string) {
	var value any
	if *other == "" && json.Unmarshal(raw, &value) == nil {
		*other = fmt.Sprintf("%s %s, want %s", field, written(raw, value), want)
	}
}

// accepts reports whether a value is not said, or one of these.
func accepts(raw json.RawMessage, values ...any) bool {
	var value any
	if !present(raw) || json.Unmarshal(raw, &value) != nil {
		return true
	}
	number, isNumber := value.(float64)
	return slices.ContainsFunc(values, func(v any) bool {
		if n, ok := v.(float64); ok && isNumber {
			return math.Abs(n-number) < 1e-9
		}
		switch value.(type) {
		case map[string]any, []any:
			return false
		}
		return v == value
	})
}

// parsePreprocessCfg reads open_clip's preprocess_cfg.
//
// Source: open_clip, src/open_clip/transform.py, PreprocessCfg and image_transform.
func parsePreprocessCfg(data json.RawMessage) (p Prep, err error) {
	if !present(data) {
		return p, nil
	}
	const what = "preprocess_cfg."
	var c struct {
		Mean          json.RawMessage `json:"mean"`
		Std           json.RawMessage `json:"std"`
		Mode          json.RawMessage `json:"mode"`
		Interpolation json.RawMessage `json:"interpolation"`
		Resize        json.RawMessage `json:"resize_mode"`
		Size          json.RawMessage `json:"size"`
	}
	if err := decode(data, &c); err != nil {
		return p, fmt.Errorf("preprocess_cfg: %w", err)
	}
	p.channels(what+"mean", c.Mean, &p.Mean)
	p.channels(what+"std", c.Std, &p.Std)
	if !accepts(c.Mode, "RGB") {
		otherwise(&p.OtherFit, what+"mode", c.Mode, `"RGB"`)
	}
	var size number
	if json.Unmarshal(orNull(c.Size), &size) != nil {
		otherwise(&p.OtherFit, what+"size", c.Size, "the side of a square")
	}
	p.Side = int(size)
	if present(c.Resize) {
		if !accepts(c.Resize, "shortest", "squash") {
			otherwise(&p.OtherFit, what+"resize_mode", c.Resize, `"shortest" or "squash"`)
		}
		json.Unmarshal(c.Resize, &p.Fit) // of another type it is refused above
	}
	// What is "random" in training is bicubic otherwise.
	if !accepts(c.Interpolation, "bicubic", "bilinear", "random") {
		otherwise(&p.OtherFit, what+"interpolation", c.Interpolation, `"bicubic" or "bilinear"`)
	}
	if present(c.Interpolation) {
		if p.Fit == "" {
			p.Fit = "shortest"
		}
		if accepts(c.Interpolation, "bilinear") {
			p.Fit += bilinear
		}
	}
	return p, nil
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// Pillow's numbers of filters.
const (
	pillowBilinear = 2.
	pillowBicubic  = 3.
)

// ParseProcessor reads a processor_config.json, which has what a preprocessor_config.json says in
// an object; nil if there is none.
//
// Source: transformers, image_processing_base.py, get_image_processor_dict.
func ParseProcessor(data []byte) (*Prep, error) {
	const field = "image_processor"
	var c map[string]json.RawMessage
	if err := decode(data, &c); err != nil {
		return nil, err
	}
	if !present(c[field]) {
		return nil, nil
	}
	p, err := parsePreprocessor(c[field], field+".")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return p, nil
}

// ParsePreprocessor reads a preprocessor_config.json of transformers' CLIPImageProcessor.
//
// Source: transformers, models/clip/image_processing_clip.py.
func ParsePreprocessor(data []byte) (*Prep, error) { return parsePreprocessor(data, "") }

// parsePreprocessor reads an object whose fields are called so, with what is before them.
func parsePreprocessor(data []byte, what string) (*Prep, error) {
	var c struct {
		Type      json.RawMessage `json:"image_processor_type"`
		Extractor json.RawMessage `json:"feature_extractor_type"`

		Normalize json.RawMessage `json:"do_normalize"`
		Mean      json.RawMessage `json:"image_mean"`
		Std       json.RawMessage `json:"image_std"`
		Rescale   json.RawMessage `json:"do_rescale"`
		Factor    json.RawMessage `json:"rescale_factor"`

		DoResize   json.RawMessage `json:"do_resize"`
		Resample   json.RawMessage `json:"resample"`
		Size       json.RawMessage `json:"size"`
		CenterCrop json.RawMessage `json:"do_center_crop"`
		CropSize   json.RawMessage `json:"crop_size"`
	}
	if err := decode(data, &c); err != nil {
		return nil, err
	}
	p := &Prep{}
	for _, kind := range []struct {
		field string
		raw   json.RawMessage
	}{{what + "image_processor_type", c.Type}, {what + "feature_extractor_type", c.Extractor}} {
		var name string
		if json.Unmarshal(orNull(kind.raw), &name) != nil || name != "" && !strings.HasPrefix(name, "CLIP") {
			otherwise(&p.OtherChannels, kind.field, kind.raw, "CLIPImageProcessor")
			otherwise(&p.OtherFit, kind.field, kind.raw, "CLIPImageProcessor")
		}
	}
	p.channels(what+"image_mean", c.Mean, &p.Mean)
	p.channels(what+"image_std", c.Std, &p.Std)
	if !accepts(c.Rescale, true) {
		otherwise(&p.OtherChannels, what+"do_rescale", c.Rescale, "true")
	}
	if !accepts(c.Factor, 1./255) {
		otherwise(&p.OtherChannels, what+"rescale_factor", c.Factor, "1/255")
	}
	switch {
	case accepts(c.Normalize, true):
	case accepts(c.Normalize, false):
		p.Mean, p.Std = &[3]float64{}, &[3]float64{1, 1, 1}
	default:
		otherwise(&p.OtherChannels, what+"do_normalize", c.Normalize, "true or false")
	}

	if !accepts(c.DoResize, true) {
		otherwise(&p.OtherFit, what+"do_resize", c.DoResize, "true")
	}
	size, exact := p.side(what+"size", c.Size)
	crop, _ := p.side(what+"crop_size", c.CropSize)
	cropped := accepts(c.CenterCrop, true)
	p.Side = size
	switch {
	case cropped && size != 0 && crop != 0 && size != crop:
		otherwise(&p.OtherFit, what+"size", c.Size, fmt.Sprintf("that of crop_size, %d", crop))
	case cropped && size == 0:
		p.Side = crop
	case !cropped && !exact:
		otherwise(&p.OtherFit, what+"do_center_crop", c.CenterCrop, "true, or a size of height and width")
	}
	if present(c.Size) || present(c.Resample) || present(c.CenterCrop) {
		p.Fit = "shortest"
		if exact {
			p.Fit = "squash"
		}
	}
	if !accepts(c.Resample, pillowBicubic, pillowBilinear) {
		otherwise(&p.OtherFit, what+"resample", c.Resample, "3 (bicubic) or 2 (bilinear)")
	}
	if present(c.Resample) && accepts(c.Resample, pillowBilinear) {
		p.Fit += bilinear
	}
	return p, nil
}

// side reads a size, which is a number, of the shorter side or of a square, or an object, and
// whether it says both sides.
func (p *Prep) side(field string, raw json.RawMessage) (side int, exact bool) {
	var one number
	if !present(raw) || json.Unmarshal(raw, &one) == nil {
		return int(one), false
	}
	var sides map[string]number
	if json.Unmarshal(raw, &sides) == nil {
		shortest, is := sides["shortest_edge"]
		if is && len(sides) == 1 {
			return int(shortest), false
		}
		height, width := sides["height"], sides["width"]
		if len(sides) == 2 && height == width && height > 0 {
			return int(height), true
		}
	}
	otherwise(&p.OtherFit, field, raw, "the shortest_edge, or equal height and width")
	return 0, true
}
