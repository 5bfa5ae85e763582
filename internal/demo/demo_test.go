package demo

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// tree returns the contents of the files under dir, by slash-separated path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "demo")
	first, err := Layout(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	if first.Written != len(files) || first.Kept != 0 {
		t.Errorf("first time: %+v, want %d files written", first, len(files))
	}
	if !maps.Equal(files, tree(t, "assets")) { // go:embed silently skips some names
		t.Error("the files written differ from the folder assets")
	}
	for name, want := range map[string]int{ // number of files below, or 1
		Model: 1, ViTModel: 1, Vocabulary: 1, Templates: 1, Words: 1,
		ImageNetClasses: 1, Attributes: 1, ImageNet + "/val": 400, ImageNet + "/test": 300,
		PascalContext + "/JPEGImages": 40, PascalContext + "/SegmentationClassContext": 40, PascalContext + "/ImageSets": 1, PascalContextClasses: 1,
		Cars + "/cars_train": 600, Cars + "/devkit": 2, CarColours: 1,
		CueModel: 1, CueGroups: 1, CueImages: 240, CueImageNet + "/val": 160, CueImageNet + "/test": 300,
		CuePascalContext + "/JPEGImages": 30, CuePascalContext + "/SegmentationClassContext": 30,
	} {
		n := 0
		for f := range files {
			if f == name || strings.HasPrefix(f, name+"/") {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d files, want %d", name, n, want)
		}
	}
	second, err := Layout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second.Written != 0 || second.Kept != first.Written || second.Bytes != first.Bytes {
		t.Errorf("second time: %+v, want all of %+v kept", second, first)
	}
}

func TestLayoutOverOtherFiles(t *testing.T) {
	files := fstest.MapFS{
		"templates.txt":     {Data: []byte("a {}\n")},
		"imagenet/a.JPEG":   {Data: []byte("image a")},
		"imagenet/b.JPEG":   {Data: []byte("image b")},
		"imagenet/list.txt": {Data: []byte("a\nb\n")},
	}
	tests := []struct {
		name   string
		there  map[string]string
		differ []string // if Layout must refuse
		want   Laid
	}{
		{"empty folder", nil, nil, Laid{Written: 4, Bytes: 23}},
		{"some there", map[string]string{"imagenet/a.JPEG": "image a", "templates.txt": "a {}\n"}, nil, Laid{Written: 2, Kept: 2, Bytes: 23}},
		{"others beside some", map[string]string{"notes.txt": "mine", "templates.txt": "a {}\n"}, nil, Laid{Written: 3, Kept: 1, Bytes: 23}},
		{"same length", map[string]string{"imagenet/a.JPEG": "image A"}, []string{"imagenet/a.JPEG"}, Laid{}},
		{"cut short", map[string]string{"imagenet/a.JPEG": "pic", "templates.txt": ""}, []string{"imagenet/a.JPEG", "templates.txt"}, Laid{}},
		{"folder in the way", map[string]string{"templates.txt/x": ""}, []string{"templates.txt"}, Laid{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.there {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			laid, err := layout(files, dir)
			if laid != tt.want {
				t.Errorf("got %+v, want %+v", laid, tt.want)
			}
			after := tree(t, dir)
			if tt.differ == nil {
				if err != nil {
					t.Fatal(err)
				}
				want := before
				for name, f := range files {
					want[name] = string(f.Data)
				}
				for name := range after {
					if after[name] != want[name] {
						t.Errorf("%s holds %q, want %q", name, after[name], want[name])
					}
				}
				if len(after) != len(want) {
					t.Errorf("%d files, want %d", len(after), len(want))
				}
				return
			}
			var differs *DiffersError
			if !errors.As(err, &differs) {
				t.Fatalf("error %v, want a DiffersError", err)
			}
			for i, p := range differs.Paths {
				rel, _ := filepath.Rel(dir, p)
				differs.Paths[i] = filepath.ToSlash(rel)
			}
			if !slices.Equal(differs.Paths, tt.differ) {
				t.Errorf("differ: %q, want %q", differs.Paths, tt.differ)
			}
			if len(after) != len(before) {
				t.Errorf("%d files after the refusal, %d before", len(after), len(before))
			}
		})
	}
}

func TestLayoutIntoAFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Layout(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names %s", err, dir)
	}
}

func TestDiffersError(t *testing.T) {
	for want, paths := range map[string][]string{
		"write the demo: a: content differs from the demo's; nothing was written":                  {"a"},
		"write the demo: a, b, c and 2 more: content differs from the demo's; nothing was written": {"a", "b", "c", "d", "e"},
	} {
		if got := (&DiffersError{Paths: paths}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestExpected(t *testing.T) {
	const outDim, vocabulary, heads, neurons = 64, 836, 8, 512
	e, err := Expected()
	if err != nil {
		t.Fatal(err)
	}
	if e.ZeroShotTop1 < 0.9 || e.ZeroShotTop1 > 1 {
		t.Errorf("zero-shot accuracy %g, want one of a trained model", e.ZeroShotTop1)
	}
	g := e.Golden
	if len(g.Texts) != 3 || len(g.Images) != 3 || len(g.ClassEmbeddings) != 1 {
		t.Errorf("%d texts, %d images, %d classes; want 3, 3, 1", len(g.Texts), len(g.Images), len(g.ClassEmbeddings))
	}
	for text, v := range g.Texts {
		if n := len(v.Tokens); n < 3 || v.Tokens[0] != vocabulary-2 || v.Tokens[n-1] != vocabulary-1 {
			t.Errorf("%q: tokens %v, want them between %d and %d", text, v.Tokens, vocabulary-2, vocabulary-1)
		}
		if len(v.Embedding) != outDim {
			t.Errorf("%q: %d dimensions, want %d", text, len(v.Embedding), outDim)
		}
	}
	for name, v := range g.Images {
		if _, err := fs.Stat(assets(), name); err != nil {
			t.Error(err)
		}
		if len(v.Embedding) != outDim {
			t.Errorf("%s: %d dimensions, want %d", name, len(v.Embedding), outDim)
		}
	}
	for name, v := range g.ClassEmbeddings {
		norm := 0.0
		for _, x := range v {
			norm += float64(x) * float64(x)
		}
		// 64 values rounded to 5 decimals.
		if len(v) != outDim || math.Abs(norm-1) > 1e-4 {
			t.Errorf("%s: %d dimensions of squared norm %g, want %d and 1", name, len(v), norm, outDim)
		}
	}
	ranked := func(name string, pairs []Pair, by func(Pair) float64) {
		if len(pairs) != 10 {
			t.Errorf("%s: %d pairs, want 10", name, len(pairs))
		}
		for i, p := range pairs {
			if p.Head < 0 || p.Head >= heads || p.Neuron < 0 || p.Neuron >= neurons || by(p) <= 0 || i > 0 && by(p) > by(pairs[i-1]) {
				t.Errorf("%s: at %d: %+v out of range or order", name, i, p)
			}
		}
	}
	ranked("by norm", g.TopPairs, func(p Pair) float64 { return p.Score })
	ranked("yellow", g.TopPairsForYellow, func(p Pair) float64 { return p.Cosine })
	ranked("convertible", g.TopPairsForConvertible, func(p Pair) float64 { return p.Cosine })
}

// TestExpectedOfCue holds that the cue is one: both animals are found where they mostly
// are, and much less so elsewhere.
func TestExpectedOfCue(t *testing.T) {
	e, err := ExpectedOfCue()
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"fish in water", "butterfly in grass"} {
		if e.Groups[own] < 57 {
			t.Errorf("%s: %d of 60 images right", own, e.Groups[own])
		}
	}
	for _, other := range []string{"fish in grass", "butterfly in water"} {
		if n, ok := e.Groups[other]; !ok || n > 35 {
			t.Errorf("%s: %d of 60 images right", other, n)
		}
	}
	if len(e.Groups) != 4 || len(e.AblationPairs) != 2 || len(e.AblationNeurons) != 2 || len(e.Segmentation) != 2 || e.ZeroShotTop1 == 0 {
		t.Errorf("expected %+v", e)
	}
}

// TestExpectedOfViT holds that the vision transformer is trained, and that its pairs and the
// first model's agree on most words, by more than chance.
func TestExpectedOfViT(t *testing.T) {
	e, err := ExpectedOfViT()
	if err != nil {
		t.Fatal(err)
	}
	if e.ZeroShotTop1 < 0.8 || e.ZeroShotTop1 > 1 || len(e.Scores) != 4 || len(e.TopPairs) != 10 || len(e.Ablation) != 3 || len(e.Reconstruction) != 4 {
		t.Errorf("accuracy %g, scores of %d images, %d pairs, ablation %v, reconstruction %v", e.ZeroShotTop1, len(e.Scores), len(e.TopPairs), e.Ablation, e.Reconstruction)
	}
	above := 0
	for word, agreed := range e.Agreement.Words {
		if agreed.Here == "" || agreed.There == "" || agreed.Correlation > 1 {
			t.Errorf("%s: %+v", word, agreed)
		}
		if agreed.Correlation > e.Agreement.ByChance {
			above++
		}
	}
	if len(e.Agreement.Words) != 31 || above < 25 || e.Agreement.ByChance < 0.1 {
		t.Errorf("%d of %d words above %g", above, len(e.Agreement.Words), e.Agreement.ByChance)
	}
}

// TestLayoutIntoOtherFolder leaves alone a folder that holds other files only.
func TestLayoutIntoOtherFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := layout(fstest.MapFS{"templates.txt": {Data: []byte("a {}\n")}}, dir)
	if err == nil || !strings.Contains(err.Error(), `holds other files, such as "notes.txt"`) {
		t.Errorf("error %v, want one that names notes.txt", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v; want the one that was there", len(entries), err)
	}
}

// TestLayoutAtOnce holds that a file which another process has written since it was found to
// be missing, and may have opened, is not replaced.
func TestLayoutAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	if err := write(path, []byte("same"), add); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(path, []byte("same"), add); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was replaced (%v)", err)
	}
	if err := write(path, []byte("other"), add); !errors.As(err, new(*DiffersError)) {
		t.Errorf("other content: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}
