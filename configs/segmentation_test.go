package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/testutil"
)

// The table of data sets and settings, written by hand.
func TestSegmentations(t *testing.T) {
	type facts struct {
		Classes, ShorterSide int
		Scale, Prob, Area    float64
		ReduceZero           bool
		Images, Labels, List string
	}
	want := map[string]facts{
		"context59":      {59, 384, 40, 0, 0, true, "JPEGImages/*.jpg", "SegmentationClassContext/*.png", "ImageSets/SegmentationContext/val.txt"},
		"context60":      {60, 336, 50, .1, 0, false, "JPEGImages/*.jpg", "SegmentationClassContext/*.png", "ImageSets/SegmentationContext/val.txt"},
		"voc20":          {20, 336, 40, 0, 0, true, "JPEGImages/*.jpg", "SegmentationClass/*.png", "ImageSets/Segmentation/val.txt"},
		"voc21":          {21, 336, 65, .1, .1, false, "JPEGImages/*.jpg", "SegmentationClass/*.png", "ImageSets/Segmentation/val.txt"},
		"ade20k":         {150, 336, 40, 0, 0, true, "images/validation/*.jpg", "annotations/validation/*.png", ""},
		"coco_object":    {81, 336, 50, .1, 0, false, "images/val2017/*.jpg", "annotations/val2017/*_instanceTrainIds.png", ""},
		"coco_stuff10k":  {171, 336, 40, 0, 0, true, "images/test2014/*.jpg", "annotations/test2014/*_labelTrainIds.png", ""},
		"coco_stuff164k": {171, 448, 40, 0, 0, false, "images/val2017/*.jpg", "annotations/val2017/*_labelTrainIds.png", ""},
		"cityscapes":     {19, 560, 40, 0, 0, false, "leftImg8bit/val/*_leftImg8bit.png", "gtFine/val/*_gtFine_labelTrainIds.png", ""},
		"demo":           {18, 224, 40, 0, 0, true, "JPEGImages/*.jpg", "SegmentationClassContext/*.png", "ImageSets/SegmentationContext/val.txt"},
	}
	if got := len(Segmentations()); got != len(want) {
		t.Errorf("%d configs %q, want %d", got, Segmentations(), len(want))
	}
	for _, name := range Segmentations() {
		s, err := ReadSegmentation(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		l := s.Layout
		got := facts{
			len(s.Classes), s.ShorterSide, s.LogitScale, s.ProbThd, s.AreaThd, l.ReduceZeroLabel,
			l.Images + "/*" + l.ImageSuffix, l.Labels[0].Folder + "/*" + l.Labels[0].Suffix, l.List,
		}
		if got != want[name] {
			t.Errorf("%s: %+v, want %+v", name, got, want[name])
		}
		crop, stride := 384, 192
		if name == "demo" {
			crop, stride = 192, 96
		}
		if s.Name != name || s.LongerSide != 2048 || s.SlideCrop != crop || s.SlideStride != stride || l.IgnoreIndex != 255 {
			t.Errorf("%s: name %s, longer side %d, window %d, stride %d, ignored %d", name, s.Name, s.LongerSide, s.SlideCrop, s.SlideStride, l.IgnoreIndex)
		}
		fromFile, err := ReadSegmentation(name + ".yaml")
		if err != nil || !reflect.DeepEqual(fromFile, s) {
			t.Errorf("%s.yaml: %+v, %v, want what its name gives", name, fromFile, err)
		}
	}
}

// Positions of names in the data sets' own lists.
func TestSegmentationClasses(t *testing.T) {
	want := map[string]map[int]string{
		"context59":      {0: "airplane", 22: "dog", 36: "person", 58: "wood"},
		"context60":      {0: "background", 1: "airplane", 37: "person", 59: "wood"},
		"voc20":          {0: "airplane", 10: "dining table", 14: "person", 19: "tv monitor"},
		"voc21":          {0: "background", 1: "airplane", 15: "person", 20: "tv monitor"},
		"ade20k":         {0: "wall", 2: "sky", 12: "person", 56: "pool table", 100: "poster", 127: "bicycle", 136: "traffic light", 149: "flag"},
		"coco_object":    {0: "background", 1: "person", 10: "traffic light", 25: "backpack", 61: "dining table", 80: "toothbrush"},
		"coco_stuff10k":  {0: "person", 79: "toothbrush", 80: "banner", 170: "wood"},
		"coco_stuff164k": {0: "person", 11: "stop sign", 24: "backpack", 79: "toothbrush", 80: "banner", 84: "building-other", 112: "grass", 145: "sky-other", 157: "tree", 170: "wood"},
		"cityscapes":     {0: "road", 8: "vegetation", 11: "person", 18: "bicycle"},
		"demo":           {0: "car", 17: "night"},
	}
	for _, name := range Segmentations() {
		s, err := ReadSegmentation(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, word := range want[name] {
			if s.Classes[i][0] != word {
				t.Errorf("%s: class %d is %q, want %q", name, i, s.Classes[i][0], word)
			}
		}
	}
	s, _ := ReadSegmentation("demo")
	if got := []string(s.Classes[1]); !slices.Equal(got, []string{"convertible", "cabriolet", "open car", "convertible car"}) {
		t.Errorf("words of the demo's class 1: %q", got)
	}
}

// The config's list of classes is the demo's own.
func TestDemoClasses(t *testing.T) {
	own, err := os.ReadFile(filepath.Join("..", "internal", "demo", "assets", "cls_demo.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if string(own) != string(read("cls_demo.txt")) {
		t.Error("cls_demo.txt differs from the demo's")
	}
}

// The ids of a label map belong to its classes: the class at an id's position has
// the name that the data set's list gives for that id.
func TestSegmentationIDs(t *testing.T) {
	for name, want := range map[string]map[int]string{
		"context60":      {0: "background", 2: "airplane", 284: "person", 397: "table", 458: "wood"},
		"coco_stuff164k": {0: "person", 12: "stop sign", 26: "backpack", 89: "toothbrush", 91: "banner", 181: "wood"},
		"cityscapes":     {7: "road", 11: "building", 24: "person", 33: "bicycle"},
	} {
		s, err := ReadSegmentation(name)
		if err != nil {
			t.Fatal(err)
		}
		ids := s.Layout.Labels[1].IDs
		if !slices.IsSorted(ids) {
			t.Errorf("%s: ids are not sorted", name)
		}
		for id, word := range want {
			if i := slices.Index(ids, id); i < 0 || s.Classes[i][0] != word {
				t.Errorf("%s: id %d is at %d, want the place of %s", name, id, i, word)
			}
		}
	}
}

// TestSegmentationMistaken: a file that is something else altogether is told by name.
func TestSegmentationMistaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "set.yaml")
	if err := os.WriteFile(path, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSegmentation(path); err == nil || !strings.Contains(err.Error(), "a Git LFS pointer, not the file itself, want a YAML file") {
		t.Errorf("error %v", err)
	}
}

const good = `shorter_side: 100
data:
  images: images
  labels:
    - folder: maps
classes: [cat, "dog, puppy", [sky, cloud]]
`

func TestParseSegmentation(t *testing.T) {
	s, err := ReadSegmentation(config(t, good))
	if err != nil {
		t.Fatal(err)
	}
	want := &Segmentation{
		Name: "mine", ShorterSide: 100, LongerSide: 2048, LogitScale: 40, Pairs: 20000, Block: -1, Sink: true,
		Layout: Layout{
			Images: "images", ImageSuffix: ".jpg", IgnoreIndex: 255,
			Labels: []LabelSource{{Folder: "maps", Suffix: ".png"}},
		},
		Classes: []Class{{"cat"}, {"dog", "puppy"}, {"sky", "cloud"}},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, want %+v", s, want)
	}
}

func config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadSegmentationRefuses(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	const bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "empty, want a config"},
		{"unknown key", good + "windwo: 3\n", "line 7: unknown key windwo"},
		{"unknown key within", swap("  images:", "  imgs: x\n  images:"), "line 3: unknown key imgs"},
		{"two unknown keys", good + "x: 1\ny: 2\n", "line 7: unknown key x; line 8: unknown key y"},
		{"a key twice", good + "shorter_side: 3\n", `line 7: mapping key "shorter_side" already defined at line 1`},
		{"another kind of value", swap("100", "wide"), "line 1: cannot unmarshal !!str `wide` into int"},
		{"no mapping", "- a\n", "line 1: cannot unmarshal !!seq into configs.Segmentation"},
		{"aliases", bomb, "line 1: anchor or alias, want plain values"},
		{"two documents", good + "---\na: 1\n", "more than one document, want one"},
		{"no YAML", "a: [b\n", "line 1: did not find expected ',' or ']'"},
		{"nested", "title: " + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "\n", "line 1: more than 16 nested lists and mappings"},
		{"nested without end", strings.Repeat("[", 500000), "exceeded max depth"},
		{"large", strings.Repeat("#\n", maxConfig), "more than 1 MiB, the limit"},
		{"no side", swap("shorter_side: 100", ""), "shorter_side: 0, want 1 to 65536"},
		{"sides", good + "longer_side: 50\n", "longer_side: 50, want 100 to 65536"},
		{"scale", good + "logit_scale: .nan\n", "logit_scale: NaN, want more than 0"},
		{"threshold", good + "prob_thd: 1\n", "prob_thd: 1, want 0 or more and less than 1"},
		{"k", good + "k: 0\n", "k: 0, want 1 to 2147483647"},
		{"a path out", swap("images: images", "images: ../images"), `data: images: "../images", want a path inside the data set's root`},
		{"an absolute path", swap("maps", "/maps"), `data: labels: entry 1: "/maps", want a path inside the data set's root`},
		{"no labels", swap("\n    - folder: maps", " []"), "data: labels: none, want a list of folders or annotations"},
		{"folder and file", swap("maps", "maps\n      annotation: a.json"), "data: labels: entry 1: want one of folder and annotation"},
		{"file without ids", swap("folder: maps", "annotation: a.json"), "data: labels: entry 1: annotation without ids, want the ids of the labels"},
		{"ids", swap("maps", "maps\n      ids: [1, 2]"), "data: labels: entry 1: 2 ids, want 3, one per label"},
		{"an id twice", swap("maps", "maps\n      ids: [1, 2, 1]"), "data: labels: entry 1: ids: 1 is listed twice"},
		{"no classes", swap("classes:", "title: a\n#"), "neither classes nor name_path, want one"},
		{"classes twice", good + "name_path: names.txt\n", "both classes and name_path, want one"},
		{"no names", swap("classes:", "name_path: names.txt\n#"), "name_path: open "},
		{"a word twice", swap("cloud", "puppy"), `"puppy" is a word of class 1 and of class 2 (from 0), want one class`},
		{"an empty word", swap("dog, puppy", "dog,"), `line 6: "dog,", want a name, or words separated by commas`},
		{"a mapping as class", swap("[sky, cloud]", "{a: b}"), `line 6: "", want a name, or words separated by commas`},
		{"no word", swap("[sky, cloud]", "[]"), "line 6: class without a word"},
		{"nothing as class", swap("[cat,", "[cat, null,"), "class 1 (from 0) has no word"},
		{"a list of lists", swap("[sky, cloud]", "[[a]]"), "line 6: want a word"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := config(t, tt.text)
			_, err := ReadSegmentation(path)
			if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one of %s with %q", err, path, tt.want)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than a line: %q", err)
			}
		})
	}
}

func TestReadSegmentationFindsFiles(t *testing.T) {
	path := config(t, strings.Replace(good, "classes:", "name_path: names.txt\n#", 1))
	names := filepath.Join(filepath.Dir(path), "names.txt")
	if err := os.WriteFile(names, []byte("cat\nsky, cloud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSegmentation(path)
	if want := []Class{{"cat"}, {"sky", "cloud"}}; err != nil || !reflect.DeepEqual(s.Classes, want) {
		t.Errorf("classes %q, %v, want %q", s.Classes, err, want)
	}
	if err := os.WriteFile(names, []byte(`{"0": "cat", "1": "sky, cloud"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = ReadSegmentation(path)
	if want := []Class{{"cat"}, {"sky", "cloud"}}; err != nil || !reflect.DeepEqual(s.Classes, want) {
		t.Errorf("JSON: classes %q, %v, want %q", s.Classes, err, want)
	} else if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], names+": a JSON object: it is read as 2 texts") {
		t.Errorf("JSON: warnings %q", s.Warnings)
	}
	if err := os.WriteFile(names, []byte("cat\n,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSegmentation(path); err == nil || !strings.HasPrefix(err.Error(), names+": line 2: ") {
		t.Errorf("error %v, want one of line 2 of %s", err, names)
	}

	_, err = ReadSegmentation("context95")
	if want := `config "context95", want the path of a .yaml file or one of ade20k, cityscapes, coco_object, coco_stuff10k, coco_stuff164k, context59, context60, demo, voc20, voc21`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	_, err = ReadSegmentation(filepath.Join(t.TempDir(), "configs", "context59.yaml"))
	h, ok := err.(interface{ Hint() string })
	if want := `for the built-in config, give "context59" without folder and extension`; !ok || h.Hint() != want {
		t.Errorf("error %v of a config that is not there, want one with the hint %s", err, want)
	}
	if _, err = ReadSegmentation(filepath.Join(t.TempDir(), "mine.yaml")); err == nil {
		t.Error("no error of a config that is not there")
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "folder.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = ReadSegmentation(filepath.Join(filepath.Dir(path), "folder.yaml"))
	if err == nil || !errors.Is(err, foreign.ErrKind) {
		t.Errorf("error %v of a folder", err)
	}
}

// parseFactor is how many bytes in total parsing a config may allocate for each of
// its bytes, of which there are at most maxConfig.
const parseFactor = 512

// No config takes long or much memory, or passes the checks with impossible values.
func FuzzParseSegmentation(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [x, x]\nb: [*a, *a]\n"))
	f.Add([]byte("<<: {shorter_side: 3}\n"))
	f.Add([]byte(strings.Repeat("[", 300)))
	f.Add([]byte("classes: !!binary aGVsbG8=\nshorter_side: 0x10\n"))
	for _, name := range []string{"context59", "coco_object", "cityscapes", "demo"} {
		f.Add(read(name + configExt))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s *Segmentation
		if !testutil.Parsed(t, testutil.Multiple(len(data), parseFactor), func() (err error) {
			s, err = parseSegmentation(data)
			return err
		}) {
			return
		}
		if s.check() != nil {
			return
		}
		for i, class := range s.Classes {
			if len(class) == 0 || slices.Contains(class, "") {
				t.Errorf("class %d: %q", i, class)
			}
		}
		for _, source := range s.Layout.Labels {
			if strings.Contains(source.Folder+"/"+source.Annotation, "..") && !filepath.IsLocal(source.Folder+source.Annotation) {
				t.Errorf("label maps at %+v", source)
			}
		}
	})
}

// Configs of the maximum length, made of what costs most per byte.
func TestParseSegmentationMemory(t *testing.T) {
	const n = 50_000
	for name, text := range map[string]string{
		"classes":    "classes:\n" + strings.Repeat("- a\n", n),
		"one line":   "classes: [" + strings.Repeat("a,", n) + "a]",
		"nothing":    "classes: [" + strings.Repeat("[],", n) + "[]]",
		"maps":       "classes: [" + strings.Repeat("{},", n) + "{}]",
		"many keys":  manyKeys(n),
		"ids":        "data: {labels: [{ids: [" + strings.Repeat("1,", n) + "1]}]}",
		"documents":  strings.Repeat("---\n", n),
		"deep":       strings.Repeat("[", n),
		"deep block": strings.Repeat("- ", n) + "a",
	} {
		t.Run(name, func(t *testing.T) {
			parse := func() error { _, err := parseSegmentation([]byte(text)); return err }
			testutil.Parsed(t, testutil.Multiple(len(text), parseFactor), parse)
			t.Logf("%.1f bytes allocated for each of %d", float64(testutil.Allocated(func() { parse() }))/float64(len(text)), len(text))
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d:\n", i)
	}
	return b.String()
}

// The text of a layout is that of which older builds' artefacts have the hash.
func TestLayoutText(t *testing.T) {
	l := Layout{Images: "images", ImageSuffix: ".jpg", List: "all.txt", IgnoreIndex: 255, Labels: []LabelSource{
		{Folder: "maps", Suffix: ".png", IDs: []int{0, 2}, Unlabelled: []int{1}}, {Annotation: "a.json", Phase: "val"}}}
	const want = "{images .jpg all.txt [{maps .png   [0 2]} {  a.json val []}] false 255}"
	if got := l.Text(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
