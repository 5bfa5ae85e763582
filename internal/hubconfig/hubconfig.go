// Package hubconfig reads the files that Hugging Face's and open_clip's models have beside
// their weights, for what no tensor tells of a CLIP: the activation of its blocks and the
// heads of its layers.
//
// Two forms are known: config.json of transformers' CLIPModel, and open_clip_config.json of
// open_clip's, also as open_clip's own model_configs are, without the object around them.
package hubconfig

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/foreign"
)

// MaxBytes bounds a file. Published ones have a few kilobytes.
const MaxBytes = 1 << 20

// Names lists the names of the files, in the order in which they are looked at beside
// weights that open_clip wrote, or whose tensors have Hugging Face's names.
func Names(huggingFace bool) []string {
	openCLIP := []string{"open_clip_config.json", "open_clip_model_config.json"}
	if huggingFace {
		return append([]string{ConfigName}, openCLIP...)
	}
	return append(openCLIP, ConfigName)
}

// Config is what a file says of a CLIP. A number that it does not say is 0, a text empty.
type Config struct {
	Name  string // of the file
	Image Tower
	Text  Tower

	Stages    bool   // the image tower has stages, as a ResNet, of which no sizes are said
	TimmName  string // it is timm's, of that name; Stages is true then
	Patch     int    // side of a patch of the image tower, in pixels
	ImageSize int    // side of its images
	OutDim    int

	Prep Prep // of images, as open_clip's files say it
}

// Tower is what a file says of one of the towers.
type Tower struct {
	Activation string // as Hugging Face names it, such as quick_gelu
	Heads      int    // of each layer
	HeadWidth  int    // in place of them: the channels of each
	Width      int
	Layers     int
	MLP        int // neurons of each layer

	// Unlike says which field, with its value and what is wanted, makes it another tower than
	// CLIP's, whatever its tensors; empty of none.
	Unlike string
}

// ErrOther is wrapped by the error about a file that describes no CLIP, and ErrModelType by
// that about one that says of which other model it is.
var (
	ErrOther     = errors.New("not of a CLIP")
	ErrModelType = fmt.Errorf("%w", ErrOther)
)

// Read reads the file of that name, one of Names, in a folder.
func Read(dir, name string) (*Config, error) {
	data, err := foreign.ReadFile(filepath.Join(dir, name), MaxBytes)
	if err != nil {
		return nil, err
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	c.Name = name
	return c, nil
}

// Parse reads a file of either form.
func Parse(data []byte) (*Config, error) {
	var root struct {
		ModelType      string          `json:"model_type"`
		Vision         json.RawMessage `json:"vision_config"`
		VisionDict     json.RawMessage `json:"vision_config_dict"`
		Text           json.RawMessage `json:"text_config"`
		TextDict       json.RawMessage `json:"text_config_dict"`
		ProjectionDim  number          `json:"projection_dim"`
		OpenCLIP       json.RawMessage `json:"model_cfg"`
		OpenCLIPVision json.RawMessage `json:"vision_cfg"`
		Preprocess     json.RawMessage `json:"preprocess_cfg"`
	}
	if err := decode(data, &root); err != nil {
		return nil, err
	}
	switch {
	case present(root.OpenCLIP):
		return parseOpenCLIP(root.OpenCLIP, root.Preprocess)
	case present(root.OpenCLIPVision):
		return parseOpenCLIP(data, root.Preprocess)
	case root.ModelType == "clip_vision_model":
		return parseTransformers(data, nil, int(root.ProjectionDim), true)
	case root.ModelType != "" && root.ModelType != "clip":
		return nil, fmt.Errorf("model_type %s, %w", foreign.Quote(root.ModelType), ErrModelType)
	}
	// transformers takes the values of the one that ends in _dict, where there are both.
	vision, text := root.Vision, root.Text
	if present(root.VisionDict) {
		vision = root.VisionDict
	}
	if present(root.TextDict) {
		text = root.TextDict
	}
	if !present(vision) && root.ModelType == "" {
		return nil, fmt.Errorf("neither vision_config nor model_cfg, %w", ErrOther)
	}
	return parseTransformers(vision, text, int(root.ProjectionDim), root.ModelType != "")
}

// present says whether an object is there: older files have null for those without values.
func present(m json.RawMessage) bool { return len(m) > 0 && string(m) != "null" }

// What transformers' CLIPVisionConfig and CLIPTextConfig have where a file leaves it out.
// Newer versions leave out what is as there.
const (
	defaultActivation  = "quick_gelu"
	defaultVisionHeads = 12
	defaultTextHeads   = 8
	defaultVocabulary  = 49408
)

// parseTransformers reads the objects of a transformers' CLIPConfig. What they leave out is
// as transformers has it if defaults says so, or else is not said.
func parseTransformers(vision, text json.RawMessage, outDim int, defaults bool) (*Config, error) {
	type tower struct {
		Activation *string `json:"hidden_act"`
		Heads      number  `json:"num_attention_heads"`
		Width      number  `json:"hidden_size"`
		Layers     number  `json:"num_hidden_layers"`
		MLP        number  `json:"intermediate_size"`
		Patch      number  `json:"patch_size"`
		ImageSize  number  `json:"image_size"`
		Vocabulary number  `json:"vocab_size"`
	}
	read := func(object json.RawMessage, what string, heads int) (t tower, into Tower, err error) {
		if present(object) {
			if err := decode(object, &t); err != nil {
				return t, into, fmt.Errorf("%s: %w", what, err)
			}
		} else if what == "text_config" {
			return t, into, nil
		}
		into = Tower{Heads: int(t.Heads), Width: int(t.Width), Layers: int(t.Layers), MLP: int(t.MLP)}
		if t.Activation != nil {
			into.Activation = *t.Activation
		}
		if defaults && into.Activation == "" {
			into.Activation = defaultActivation
		}
		if defaults && into.Heads == 0 {
			into.Heads = heads
		}
		rules := transformersImage
		if what == "text_config" {
			rules = transformersText(cmp.Or(int(t.Vocabulary), defaultVocabulary))
		}
		into.Unlike = unlike(object, what+".", rules)
		return t, into, nil
	}
	c := &Config{OutDim: outDim}
	t, image, err := read(vision, "vision_config", defaultVisionHeads)
	if err != nil {
		return nil, err
	}
	c.Image, c.Patch, c.ImageSize = image, int(t.Patch), int(t.ImageSize)
	_, c.Text, err = read(text, "text_config", defaultTextHeads)
	return c, err
}

// openCLIPHeadWidth is what open_clip has where a file does not say it.
const openCLIPHeadWidth = 64

// parseOpenCLIP reads an open_clip model's configuration, and what is said beside it of how
// images are prepared.
func parseOpenCLIP(data, preprocess json.RawMessage) (*Config, error) {
	type tower struct {
		Width     number          `json:"width"`
		Layers    json.RawMessage `json:"layers"` // of a ResNet a list, of its stages
		Heads     number          `json:"heads"`
		HeadWidth number          `json:"head_width"`
		MLPRatio  float64         `json:"mlp_ratio"`
		Patch     number          `json:"patch_size"`
		ImageSize number          `json:"image_size"`
		ActKwargs map[string]any  `json:"act_kwargs"`
		TimmName  string          `json:"timm_model_name"`
	}
	var model struct {
		EmbedDim  number          `json:"embed_dim"`
		QuickGELU bool            `json:"quick_gelu"`
		Vision    json.RawMessage `json:"vision_cfg"`
		Text      json.RawMessage `json:"text_cfg"`
	}
	if err := decode(data, &model); err != nil {
		return nil, err
	}
	read := func(object json.RawMessage) (t tower, into Tower, err error) {
		if err := decode(orNull(object), &t); err != nil {
			return t, into, err
		}
		into = Tower{Activation: "gelu", Width: int(t.Width), Heads: int(t.Heads)}
		if model.QuickGELU {
			into.Activation = "quick_gelu"
		} else if len(t.ActKwargs) > 0 {
			into.Activation = "gelu with act_kwargs"
		}
		var layers number
		if present(t.Layers) && t.Layers[0] != '[' {
			if err := decode(t.Layers, &layers); err != nil {
				return t, into, fmt.Errorf("layers: %w", err)
			}
			into.Layers = int(layers)
		}
		if t.MLPRatio != 0 {
			wide := t.MLPRatio * float64(t.Width)
			if !(wide >= 0 && wide <= maxNumber) {
				return t, into, fmt.Errorf("mlp_ratio %g, want 0 or more", t.MLPRatio)
			}
			into.MLP = int(wide)
		}
		return t, into, nil
	}
	c := &Config{OutDim: int(model.EmbedDim)}
	var err error
	if c.Prep, err = parsePreprocessCfg(preprocess); err != nil {
		return nil, err
	}
	if _, c.Text, err = read(model.Text); err != nil {
		return nil, fmt.Errorf("text_cfg: %w", err)
	}
	v, image, err := read(model.Vision)
	if err != nil {
		return nil, fmt.Errorf("vision_cfg: %w", err)
	}
	c.Image = image
	c.Text.Unlike = unlike(model.Text, "text_cfg.", openCLIPText)
	c.ImageSize, c.TimmName = int(v.ImageSize), v.TimmName
	if c.Stages = len(v.Layers) > 0 && v.Layers[0] == '[' || v.TimmName != ""; c.Stages {
		c.Image = Tower{} // timm's towers are ResNets too, as far as they are CLIPs at all
		if v.TimmName == "" {
			c.Image.Unlike = unlike(model.Vision, "vision_cfg.", openCLIPStages)
		}
		return c, nil
	}
	c.Image.Unlike = unlike(model.Vision, "vision_cfg.", openCLIPImage)
	c.Patch = int(v.Patch)
	c.Image.HeadWidth = openCLIPHeadWidth
	if v.HeadWidth != 0 {
		c.Image.HeadWidth = int(v.HeadWidth)
	}
	return c, nil
}

// decode is json.Unmarshal with errors that are safe to print.
func decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("not as expected: %w", foreign.Short(err))
	}
	return nil
}

// maxNumber bounds a number; sizes of models are far below.
const maxNumber = 1 << 30

// number is a whole number of 0 or more, which Python may have written as 12.0, or two of
// the same, for the sides of a square. null is 0.
type number int

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var one float64
	if err := json.Unmarshal(data, &one); err != nil {
		var two []float64
		if json.Unmarshal(data, &two) != nil || len(two) != 2 || two[0] != two[1] {
			return fmt.Errorf("%s, want a whole number", foreign.Quote(string(data[:min(len(data), 40)])))
		}
		one = two[0]
	}
	if one < 0 || one > maxNumber || one != math.Trunc(one) {
		return fmt.Errorf("%g, want a whole number of 0 to %d", one, maxNumber)
	}
	*n = number(one)
	return nil
}
