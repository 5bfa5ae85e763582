package configs

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/textlist"
)

// The lists must be readable like a user's own file.
func TestListsReadAsTextLists(t *testing.T) {
	for name, want := range map[string][]string{
		"imagenet_classes.txt":   ImageNetClasses(),
		"imagenet_templates.txt": ImageNetTemplates(),
		"pascal_context_59.txt":  PascalContext59(),
	} {
		got, err := textlist.Read(strings.NewReader(string(read(name))))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: read as %d texts, %v, want %d", name, len(got), err, len(want))
		}
	}
}

func repeated(names []string) []string {
	seen, twice := map[string]bool{}, []string{}
	for _, name := range names {
		if seen[name] {
			twice = append(twice, name)
		}
		seen[name] = true
	}
	return twice
}

func TestImageNetClasses(t *testing.T) {
	names := ImageNetClasses()
	if len(names) != 1000 {
		t.Fatalf("%d names, want 1000", len(names))
	}
	if got, want := repeated(names), []string{"missile", "sunglasses"}; !slices.Equal(got, want) {
		t.Errorf("repeated names %q, want %q", got, want)
	}
	// Indices are those of ImageNet's classes sorted by WordNet id.
	for index, want := range map[int]string{
		0: "tench", 1: "goldfish", 21: "kite (bird of prey)", 134: "crane bird",
		207: "Golden Retriever", 281: "tabby cat", 340: "zebra", 386: "African bush elephant",
		404: "airliner", 517: "construction crane", 657: "missile", 744: "missile",
		817: "sports car", 836: "sunglasses", 837: "sunglasses", 920: "traffic light",
		963: "pizza", 980: "volcano", 999: "toilet paper",
	} {
		if names[index] != want {
			t.Errorf("class %d is %q, want %q", index, names[index], want)
		}
	}
}

func TestImageNetTemplates(t *testing.T) {
	prompts := ImageNetTemplates()
	if len(prompts) != 80 {
		t.Fatalf("%d templates, want 80", len(prompts))
	}
	if twice := repeated(prompts); len(twice) > 0 {
		t.Errorf("repeated templates %q", twice)
	}
	templates, err := textlist.ParseTemplates(prompts)
	if err != nil {
		t.Fatal(err)
	}
	for index, want := range map[int]string{
		0: "a bad photo of a cat.", 35: "a cat in a video game.", 39: "a photo of a cat.",
		44: "a origami cat.", 76: "itap of my cat.", 79: "a tattoo of the cat.",
	} {
		if got := templates[index].Fill("cat"); got != want {
			t.Errorf("template %d gives %q, want %q", index, got, want)
		}
	}
}

func TestPascalContext59(t *testing.T) {
	names := PascalContext59()
	if len(names) != 59 {
		t.Fatalf("%d names, want 59", len(names))
	}
	if twice := repeated(names); len(twice) > 0 {
		t.Errorf("repeated names %q", twice)
	}
	if !slices.IsSorted(names) {
		t.Error("names are not in alphabetical order, which is label order")
	}
	for index, want := range map[int]string{0: "airplane", 39: "potted plant", 54: "tv monitor", 58: "wood"} {
		if names[index] != want {
			t.Errorf("class %d is %q, want %q", index, names[index], want)
		}
	}
}

func TestListsAreCopies(t *testing.T) {
	ImageNetClasses()[0] = "changed"
	if got := ImageNetClasses()[0]; got != "tench" {
		t.Errorf("a caller changed the list: first name %q", got)
	}
}

// The table of neurons, heads, tokens and joint dimension, written by hand.
func TestModels(t *testing.T) {
	type dims struct{ Neurons, Heads, Tokens, OutDim, TextWidth, TextHeads int }
	want := map[string]dims{
		"RN50":    {2048, 32, 50, 1024, 512, 8},
		"RN101":   {2048, 32, 50, 512, 512, 8},
		"RN50x4":  {2560, 40, 82, 640, 640, 10},
		"RN50x16": {3072, 48, 145, 768, 768, 12},
		"RN50x64": {4096, 64, 197, 1024, 1024, 16},
	}
	blocks := map[string][4]int{
		"RN50": {3, 4, 6, 3}, "RN101": {3, 4, 23, 3}, "RN50x4": {4, 6, 10, 6},
		"RN50x16": {6, 8, 18, 8}, "RN50x64": {3, 15, 36, 10},
	}
	all := Models()
	if len(all) != len(want) {
		t.Fatalf("%d models, want %d", len(all), len(want))
	}
	for _, m := range all {
		grid := m.ImageSize / 32
		got := dims{32 * m.Width, 32 * m.Width / 64, grid*grid + 1, m.OutDim, m.TextWidth, m.TextHeads}
		if got != want[m.Name] || m.Layers != blocks[m.Name] {
			t.Errorf("%s: %+v %v, want %+v %v", m.Name, got, m.Layers, want[m.Name], blocks[m.Name])
		}
		if m.ContextLength != 77 || m.VocabSize != 49408 || m.TextLayers != 12 || m.TextHeads*64 != m.TextWidth {
			t.Errorf("%s: text tower %+v", m.Name, m)
		}
	}
}

// Every file is one of the models and has only fields of Model.
func TestModelFilesAreWholeAndListed(t *testing.T) {
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]any{}
	for _, m := range Models() {
		listed[m.Name+".json"] = m
	}
	for _, m := range Transformers() {
		listed[m.Name+".json"] = m
	}
	for _, entry := range entries {
		name, isModel := strings.CutSuffix(entry.Name(), ".json")
		if !isModel {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(string(read(entry.Name()))))
		decoder.DisallowUnknownFields()
		var got any
		if strings.HasPrefix(name, "RN") {
			m := Model{Name: name}
			err = decoder.Decode(&m)
			got = m
		} else {
			m := Transformer{Name: name}
			err = decoder.Decode(&m)
			got = m
		}
		if err != nil {
			t.Errorf("%s: %v", entry.Name(), err)
		}
		if !reflect.DeepEqual(got, listed[entry.Name()]) {
			t.Errorf("%s: %+v is not listed: %+v", entry.Name(), got, listed[entry.Name()])
		}
	}
}

// The table of vision transformers, written by hand.
func TestTransformers(t *testing.T) {
	type dims struct{ Tokens, Width, Layers, HeadWidth, MLP, OutDim, TextWidth, TextLayers int }
	want := map[string]dims{
		"ViT-B-32":     {50, 768, 12, 64, 3072, 512, 512, 12},
		"ViT-B-16":     {197, 768, 12, 64, 3072, 512, 512, 12},
		"ViT-L-14":     {257, 1024, 24, 64, 4096, 768, 768, 12},
		"ViT-L-14-336": {577, 1024, 24, 64, 4096, 768, 768, 12},
		"ViT-H-14":     {257, 1280, 32, 80, 5120, 1024, 1024, 24},
		"ViT-g-14":     {257, 1408, 40, 88, 6144, 1024, 1024, 24},
		"ViT-bigG-14":  {257, 1664, 48, 104, 8192, 1280, 1280, 32},
	}
	all := Transformers()
	if len(all) != len(want) {
		t.Fatalf("%d models, want %d", len(all), len(want))
	}
	for _, m := range all {
		grid := m.ImageSize / m.PatchSize
		got := dims{grid*grid + 1, m.Width, m.Layers, m.Width / m.Heads, m.MLP, m.OutDim, m.TextWidth, m.TextLayers}
		if got != want[m.Name] || m.Width%m.Heads != 0 || m.ContextLength != 77 || m.VocabSize != 49408 || m.TextHeads*64 != m.TextWidth {
			t.Errorf("%s: %+v, want %+v", m.Name, got, want[m.Name])
		}
	}
}
