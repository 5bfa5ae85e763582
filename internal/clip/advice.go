package clip

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// indexEnd is how the name of an index of shards ends.
const indexEnd = ".index.json"

// shardName is how the parts of a model in several files are named.
var shardName = regexp.MustCompile(`-\d+-of-\d+(\.[a-z]+)$`)

// withShardHint names the index of a model of which path is a part by its name.
func withShardHint(err error, path string) error {
	if !shardName.MatchString(path) {
		return err
	}
	index := shardName.ReplaceAllString(path, "$1") + indexEnd
	if isFile(index) {
		return hinted{err, "it is one shard of a model: pass its index, " + foreign.Name(index)}
	}
	return hinted{err, "it is one shard of a model: download all shards and their index, " + foreign.Name(filepath.Base(index)) + ", into one folder, and pass the index"}
}

// missingTensor is the error of a tensor that a file lacks, by OpenAI's name.
type missingTensor struct {
	name  string
	shape []int // that it should have; nil: not known
}

func (m missingTensor) Error() string { return m.of(m.name) }

// of is the error where the file's own names call the tensor so.
func (m missingTensor) of(name string) string {
	text := fmt.Sprintf("tensor %s is missing", name)
	if m.shape != nil {
		text += fmt.Sprintf(", want shape %v", m.shape)
	}
	return text
}

// withProjectionHint says of Hugging Face's image tower without its projection which model has it,
// by the name that the file would have for it. Tensors have the names that they were given.
func withProjectionHint(err error, tensors map[string]ptfile.Tensor) error {
	class, isTransformer := tensors["visual.class_embedding"]
	if _, projected := tensors["visual.proj"]; projected || !isTransformer || !strings.HasSuffix(class.Name, "embeddings.class_embedding") {
		return err
	}
	var missing missingTensor
	if errors.As(err, &missing) && missing.name == "visual.proj" {
		err = errors.New(missing.of("visual_projection.weight (visual.proj by OpenAI's names)"))
	}
	return hinted{err, "CLIPModel and CLIPVisionModelWithProjection have visual_projection.weight, CLIPVisionModel has not"}
}

// published are the names that Hugging Face's and open_clip's models have in their
// folders, an index of shards first.
var published = []string{
	"open_clip_model.safetensors.index.json", "model.safetensors.index.json", "pytorch_model.bin.index.json",
	"open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin",
}

// withFolderHint names the weights in a folder that was given in their place.
func withFolderHint(err error, path string) error {
	if !errors.Is(err, foreign.ErrKind) {
		return err
	}
	if info, statErr := os.Stat(path); statErr != nil || !info.IsDir() {
		return err
	}
	for _, name := range published {
		if file := filepath.Join(path, name); isFile(file) {
			return hinted{err, "pass the weights in it, " + foreign.Name(file)}
		}
	}
	return err
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
