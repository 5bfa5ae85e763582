// Package configs holds facts about published models and data sets: the shapes of
// published CLIPs, the class names and prompt templates of CLIP's zero-shot
// protocol, the layouts and settings of segmentation data sets, and where published
// files are. They are the other files of this folder, embedded in the program.
package configs

import (
	"embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

//go:embed RN*.json ViT*.json imagenet_*.txt pascal_context_59.txt cls_demo.txt coco_stuff.txt *.yaml
var files embed.FS

// ImageNetClasses returns the names of ImageNet's 1000 classes in index order
// (the order of their sorted WordNet ids), as curated for CLIP. Two names
// stand for two classes each, missile (657 and 744) and sunglasses (836 and 837).
//
// Source: openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb.
func ImageNetClasses() []string { return slices.Clone(imageNetClasses()) }

// ImageNetTemplates returns the 80 prompts of CLIP's zero-shot protocol on
// ImageNet, with {} for the class name.
//
// Source: as for ImageNetClasses.
func ImageNetTemplates() []string { return slices.Clone(imageNetTemplates()) }

// PascalContext59 returns the 59 classes of PASCAL Context in label order, label 1
// first. Compound names are written as separate words.
func PascalContext59() []string { return slices.Clone(pascalContext59()) }

var (
	imageNetClasses   = sync.OnceValue(func() []string { return lines("imagenet_classes.txt") })
	imageNetTemplates = sync.OnceValue(func() []string { return lines("imagenet_templates.txt") })
	pascalContext59   = sync.OnceValue(func() []string { return lines("pascal_context_59.txt") })
)

func lines(name string) []string {
	return strings.Split(strings.TrimSuffix(string(read(name)), "\n"), "\n")
}

func read(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic("configs: " + err.Error()) // the embedded files are part of the program
	}
	return data
}

// A Model is the shape of a published CLIP-ResNet. The heads of both towers have
// width 64.
type Model struct {
	Name string `json:"-"` // the name of OpenAI's checkpoint and of the file in this folder

	ImageSize int    `json:"image_size"` // side of the input image, in pixels
	Layers    [4]int `json:"layers"`     // bottleneck blocks of each stage
	Width     int    `json:"width"`      // channels of the stem, C/32
	OutDim    int    `json:"out_dim"`    // O

	ContextLength int `json:"context_length"` // maximum number of text tokens, with start and end
	VocabSize     int `json:"vocab_size"`
	TextWidth     int `json:"text_width"`
	TextHeads     int `json:"text_heads"`
	TextLayers    int `json:"text_layers"`
}

// Models returns the shapes of OpenAI's ResNets, from small to large.
func Models() []Model { return slices.Clone(models()) }

var models = sync.OnceValue(func() []Model {
	return shapes([]string{"RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"}, func(m *Model, name string) { m.Name = name })
})

// A Transformer is the shape of a published CLIP whose image tower is a vision
// transformer. The heads of the text tower have width 64.
type Transformer struct {
	Name string `json:"-"` // open_clip's name, and that of the file in this folder

	ImageSize int `json:"image_size"` // side of the input image, in pixels
	PatchSize int `json:"patch_size"` // side of a patch
	Width     int `json:"width"`      // channels of a token
	Layers    int `json:"layers"`
	Heads     int `json:"heads"` // of each layer
	MLP       int `json:"mlp"`   // neurons of each layer
	OutDim    int `json:"out_dim"`

	// Activations are those of published models of these sizes, by their publishers: OpenAI
	// and LAION2B. That of others need not be among them.
	Activations map[string]string `json:"activations"`

	ContextLength int `json:"context_length"`
	VocabSize     int `json:"vocab_size"`
	TextWidth     int `json:"text_width"`
	TextHeads     int `json:"text_heads"`
	TextLayers    int `json:"text_layers"`
}

// Publishers of models.
const (
	OpenAI  = "openai"
	LAION2B = "laion2b" // trained on LAION-2B with open_clip
)

// Transformers returns the shapes of OpenAI's and open_clip's vision transformers,
// from small to large.
//
// Source: openai/CLIP, clip/model.py; mlfoundations/open_clip, src/open_clip/model_configs.
func Transformers() []Transformer { return slices.Clone(transformers()) }

var transformers = sync.OnceValue(func() []Transformer {
	names := []string{"ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "ViT-H-14", "ViT-g-14", "ViT-bigG-14"}
	return shapes(names, func(m *Transformer, name string) { m.Name = name })
})

// shapes reads the files of models.
func shapes[M any](names []string, setName func(m *M, name string)) []M {
	all := make([]M, len(names))
	for i, name := range names {
		setName(&all[i], name)
		if err := json.Unmarshal(read(name+".json"), &all[i]); err != nil {
			panic("configs: " + name + ".json: " + err.Error())
		}
	}
	return all
}
