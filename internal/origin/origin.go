// Package origin says what an artefact was made from.
//
// An Origin is facts and groups. A fact, such as the weights, may be known of
// artefacts of many kinds; a group holds what one stage was told, and is nil for
// what other stages made. Every field of a group, and every fact, is always
// written, so that two origins can be compared both ways: what one side lacks
// and the other has is a difference too. Paths are no part of an origin: the same
// work in another folder has the same origin.
package origin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Origin is what an artefact was made from.
type Origin struct {
	// Facts; empty where they do not apply, or are not known, as of what was made
	// from another program's file.
	Model     string `json:"model"`          // the architecture's name
	Weights   string `json:"weights_sha256"` // of the checkpoint's file
	Block     string `json:"block"`          // of the last stage whose map is pooled: LastBlock or a number
	Precision string `json:"precision"`      // of the products in the image tower: Float32 or BFloat16
	Texts     string `json:"texts_sha256"`   // of the texts, in their order
	Mode      string `json:"mode"`           // of the stage

	// Of the checkpoint's tensors, whatever the format of its file; empty in artefacts of
	// builds that did not have it.
	Tensors string `json:"tensors_sha256,omitempty"`

	// The texts themselves, of embeddings, if they have at most MaxTextList bytes.
	TextList []string `json:"text_list,omitempty"`

	// Transformer is nil where the image tower is a ResNet, or is not known.
	Transformer     *Transformer     `json:"transformer,omitempty"`
	Images          *Images          `json:"images,omitempty"`
	Collect         *Collect         `json:"collect,omitempty"`
	Shard           *Shard           `json:"shard,omitempty"`
	Prepared        *Preparation     `json:"prepared,omitempty"`
	SVD             *SVD             `json:"svd,omitempty"`
	Polysemanticity *Polysemanticity `json:"polysemanticity,omitempty"`
	Mask            *Mask            `json:"mask,omitempty"`
	Prompts         *Prompts         `json:"prompts,omitempty"`
	Code            *Code            `json:"code,omitempty"`
	TextSpan        *TextSpan        `json:"text_span,omitempty"`
	Segment         *Segment         `json:"segment,omitempty"`
	Shift           *Shift           `json:"shift,omitempty"`
	Edit            *Edit            `json:"edit,omitempty"`
	Export          *Export          `json:"export,omitempty"`
	Ablation        *Ablation        `json:"ablation,omitempty"`
	Device          *Device          `json:"device,omitempty"` // nil: this program's own tower

	// The edits of the weights that an edited checkpoint was made from, the first one first, as
	// far as their manifests said. They follow from Parents, and are not compared.
	EarlierEdits []EditStep `json:"earlier_edits,omitempty"`

	Parents map[string]string `json:"parents"` // by role, the hash of an artefact that was read

	// By role, the Subject of an artefact that was read; without those of builds that did
	// not have it. It follows from Parents, and is not compared.
	Subjects map[string]string `json:"subjects,omitempty"`

	Files map[string]string `json:"files"` // by role, the SHA-256 of another program's file that was read
}

// MaxTextList is how many bytes a TextList may have: enough for the classes of
// ImageNet, and so few that a manifest stays small.
const MaxTextList = 64 << 10

// Values of facts.
const (
	LastBlock = "last"
	Float32   = "float32"
	BFloat16  = "bf16"

	ConvertFirst = "reference" // in Images.Preprocess, before images are resized
	Published    = "published" // in Collect.Form
)

// Transformer is what a vision transformer was run as, which its weights do not say.
type Transformer struct {
	Activation  string `json:"activation"`
	Heads       int    `json:"heads"` // of each layer
	Layers      int    `json:"layers"`
	NeuronLayer int    `json:"neuron_layer"` // the layer of the neurons that pairs are made of; -1 where there are no pairs

	// Form is Published of pairs whose contributions share a vector, and of what is computed from
	// these; left out of others.
	Form string `json:"form,omitempty"`
}

// PairsLayer is the layer of the neurons that pairs are made of; nil of an attention pool, and
// where there are no pairs.
func (o Origin) PairsLayer() *int {
	if o.Transformer == nil || o.Transformer.NeuronLayer < 0 {
		return nil
	}
	layer := o.Transformer.NeuronLayer
	return &layer
}

// Images are the images that were sent through a tower.
type Images struct {
	Dataset       string `json:"dataset"`                // its kind
	LabelKey      string `json:"label_key,omitempty"`    // the name of labels that was given, where their images were chosen by it
	SHA256        string `json:"images_sha256"`          // of the images' names and sizes
	Names         string `json:"names_sha256,omitempty"` // of their names; empty in artefacts of builds that did not have it
	Stride        int    `json:"sample_stride"`          // every Stride-th image
	Preprocessing string `json:"preprocessing"`          // version of the image pipeline
	Preprocess    string `json:"preprocess"`             // when images are converted to RGB: ConvertFirst or another order
	EXIF          bool   `json:"exif"`                   // turned as EXIF says
	MaxPixels     int    `json:"max_pixels"`             // larger images are skipped
	Form
}

// Form is how images are prepared for a model that is not made for what CLIP's are; a field is
// left out where it is CLIP's.
type Form struct {
	Mean string `json:"image_mean,omitempty"`   // of channels from 0 to 1, numbers with commas
	Std  string `json:"image_std,omitempty"`    // their standard deviation
	Fit  string `json:"image_resize,omitempty"` // how they become squares
}

// Preparation is how images were prepared, in what was computed of a collection of them and has
// no Images of its own. It follows from Parents, so it is not compared when work is done again;
// nil in artefacts of older builds.
type Preparation struct {
	Preprocessing string `json:"preprocessing"` // these are as in Images
	Preprocess    string `json:"preprocess"`
	EXIF          bool   `json:"exif"`
	Form
}

// Preparation is how the images were prepared that an artefact is of; nil where that is not
// known, and of what no images were sent through a tower for.
func (o Origin) Preparation() *Preparation {
	if i := o.Images; i != nil {
		return &Preparation{i.Preprocessing, i.Preprocess, i.EXIF, i.Form}
	}
	return o.Prepared
}

// Collect is what a collection was told.
type Collect struct {
	Batch  string `json:"batch_size"` // what the batch size changes in the last bits: "1", or "2 or more"
	Mean   bool   `json:"mean"`       // only the mean over the images
	Expand bool   `json:"expand"`     // directions are written out beside the weight slices
	TopK   int    `json:"top_k"`      // extremes that statistics keep; 0 for other kinds

	// Form is Published of parts of features as unit vectors; left out of those of features
	// as they are.
	Form string `json:"form,omitempty"`
}

// Shard is which part of a collection or result this is.
type Shard struct {
	Number int   `json:"number"`         // from 1
	Last   int   `json:"last,omitempty"` // of several in a row that were merged, the number of the last one
	Of     int   `json:"of"`
	Inputs int   `json:"inputs_in_all"`  // images of all shards
	Cuts   []int `json:"cuts,omitempty"` // of all shards: images before which a chunk ends; absent where archives have no say
}

// SVD is what components, means and norms were computed with.
type SVD struct {
	TopK int `json:"top_k_pca"`
	PC   int `json:"pc_idx"`
}

// Polysemanticity is what inertias were computed with.
type Polysemanticity struct {
	TopImages int `json:"top_images"`
}

// Mask is what decided which units are kept.
type Mask struct {
	Percentile float64 `json:"percentile"`
	TopImages  int     `json:"top_images"`

	// Or which were named; left out where the strongest are kept.
	Units  string `json:"units_sha256,omitempty"`
	Except bool   `json:"except,omitempty"` // all but those are kept
}

// Ablation is what was replaced in features, of one variant after the other.
type Ablation struct {
	Modes string `json:"modes"`
	Units string `json:"units_sha256"` // of the variants, with the units that each keeps
}

// Prompts is what texts were put into and split by before they were embedded.
type Prompts struct {
	Templates string `json:"templates_sha256"` // empty: the texts as they are
	Vocab     string `json:"vocab_sha256"`

	// Activation is that of a ResNet's text tower where it is not quick_gelu, which is left
	// out. That of a vision transformer's checkpoint is in Transformer.
	Activation string `json:"activation,omitempty"`
}

// Code is what sparse codes were computed with.
type Code struct {
	Components int    `json:"num_components"`
	Normalize  string `json:"normalize"`
	Method     string `json:"method,omitempty"` // empty: matching pursuit, as of builds that knew no other
	Units      string `json:"units"`            // "all", or the names of those that were coded
	Heads      int    `json:"heads"`            // 0 for codes of neurons
	Neurons    int    `json:"neurons"`
}

// TextSpan is what the texts that span heads were found with.
type TextSpan struct {
	Texts  int `json:"texts_per_head"`
	Layers int `json:"num_of_last_layers"`
	Rank   int `json:"w_ov_rank"`
}

// Segment is what scenes were segmented with.
type Segment struct {
	Limit         int     `json:"limit"`
	ShorterSide   int     `json:"shorter_side"`
	LongerSide    int     `json:"longer_side"`
	Resize        string  `json:"resize"`
	SlideCrop     int     `json:"slide_crop"`
	SlideStride   int     `json:"slide_stride"`
	Classes       string  `json:"classes_sha256"`
	Layout        string  `json:"layout_sha256"`
	LogitScale    float64 `json:"logit_scale"`
	ProbThd       float64 `json:"prob_thd"`
	AreaThd       float64 `json:"area_thd"`
	Sink          bool    `json:"sink"`
	Block         int     `json:"conv_block"`
	SimBlock      int     `json:"sim_block"`
	PAMRSteps     int     `json:"pamr_steps"`
	PAMRDilations string  `json:"pamr_dilations"`
	PAMRCentres   int     `json:"pamr_centres"` // how often a pixel counts among its neighbours; 0 of older builds, for once
	Pairs         int     `json:"k"`            // of each query; 0 where no method uses pairs
}

// Shift is what ratios of concepts were measured with.
type Shift struct {
	Pairs     int    `json:"k"`                // that stand for a concept
	Labels    string `json:"labels_sha256"`    // empty: no labels
	Questions string `json:"questions_sha256"` // which label each concept is compared with
}

// Export is what an image tower was written with for other programs.
type Export struct {
	Opset   int    `json:"opset"`          // version of the operators of ONNX
	Stored  string `json:"stored_weights"` // f32, or f16 of filters and matrices
	Place   string `json:"weights"`        // inside the model's file, or beside it
	Outputs string `json:"outputs"`        // their names, with commas
	Form
}

// Device is what ran an image tower in place of this program.
type Device struct {
	Name      string `json:"device"`    // such as ort-cpu
	Provider  string `json:"provider"`  // by the runtime's name
	Runtime   string `json:"runtime"`   // with its version
	Precision string `json:"precision"` // of the graph: Float32
}

// Derived returns the origin of what is computed from an artefact of origin o
// and hash parent, read in a role: its facts of the model, and its parent.
func (o Origin) Derived(role, parent string) Origin {
	d := Origin{
		Model: o.Model, Weights: o.Weights, Tensors: o.Tensors, Block: o.Block, Precision: o.Precision, Transformer: o.Transformer,
	}.Own()
	d.AddParent(role, parent, o.Subject())
	return d
}

// Subject tells what an artefact of this origin is about, whatever was made of it and
// however often: the hash of the names of its images, or of its texts, or of what its
// parents are about. It is empty where that is not known.
func (o Origin) Subject() string {
	switch {
	case o.Images != nil:
		return o.Images.Names
	case len(o.Parents) == 0:
		return o.Texts
	}
	for role := range o.Parents {
		if o.Subjects[role] == "" {
			return ""
		}
	}
	distinct := slices.Compact(slices.Sorted(maps.Values(o.Subjects)))
	if len(distinct) == 1 {
		return distinct[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(distinct, "\n")))
	return hex.EncodeToString(sum[:])
}

// AddParent adds an artefact that was read in a role: its hash, and its Subject, which
// may be empty. The maps must be o's own.
func (o *Origin) AddParent(role, hash, subject string) {
	o.Parents[role] = hash
	if subject != "" {
		o.Subjects[role] = subject
	}
}

// SameWeights reports whether both were made with the same weights: the same tensors, or,
// where one side does not know its tensors, the same file.
func (o Origin) SameWeights(other Origin) bool {
	if o.Tensors != "" && other.Tensors != "" {
		return o.Tensors == other.Tensors
	}
	return o.Weights == other.Weights
}

// WithWeights returns o with the weights of another origin.
func (o Origin) WithWeights(other Origin) Origin {
	o.Weights, o.Tensors = other.Weights, other.Tensors
	return o
}

// Own returns o with maps of its own, so that adding a parent or a file to it
// changes no other origin.
func (o Origin) Own() Origin {
	own := func(from map[string]string) map[string]string {
		to := map[string]string{}
		maps.Copy(to, from)
		return to
	}
	o.Parents, o.Subjects, o.Files = own(o.Parents), own(o.Subjects), own(o.Files)
	return o
}

// MarshalJSON writes the maps also where they are nil.
func (o Origin) MarshalJSON() ([]byte, error) {
	type plain Origin
	return json.Marshal(plain(o.Own()))
}
