package explore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestAPI: answers, and mistakes with their kinds.
func TestAPI(t *testing.T) {
	dir, _ := folder(t)
	s := serve(t, dir, "")
	photo, err := os.ReadFile(filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(t)[0]))
	if err != nil {
		t.Fatal(err)
	}
	asJSON := map[string]string{"Content-Type": "application/json"}
	large := strings.Repeat(" ", maxRequest+1)
	for _, x := range []exchange{
		{get, "/api/live", nil, "", 200, `"toggle":{"on":true}`}, {head, "/api/live", nil, "", 200, ""},
		{get, "/api/scores?unit=h1n7", nil, "", 200, `"unit":"h1n7"`},
		{get, "/api/image/3?list=2&maps=1&off=h1n7,n9&by=zero", nil, "", 200, `"edit":"by zero"`},
		{get, "/api/thumb/3", nil, "", 200, "\xff\xd8"}, {head, "/api/thumb/3?size=32&changed=true", nil, "", 200, ""},
		{post, "/api/toggle", asJSON, `{"off": ["n9"], "by": "mean", "image": 3, "classes": null}`, 200, `"by_group"`},
		{post, "/api/drop?unit=h1n7", map[string]string{"Content-Type": "image/png"}, string(photo), 200, `"unit":{"unit":"h1n7"`},

		{get, "/api/", nil, "", 404, "no such part"}, {get, "/api", nil, "", 404, "no such part"}, {get, "/api/other", nil, "", 404, "no such part"},
		{get, "/api/live/x", nil, "", 404, "no such part"}, {get, "/api/toggle", nil, "", 405, "want POST"}, {post, "/api/live", nil, "", 405, "want GET"},
		{get, "/api/live?x=1", nil, "", 400, `parameter \"x\"`}, {get, "/api/live?%zz", nil, "", 400, "query"}, {get, "/api/text?q=a&q=b", nil, "", 400, "given 2 times"},
		{get, "/api/text?q=" + strings.Repeat("a", maxQuery), nil, "", 400, "want at most"},
		{get, "/api/text?q=a", nil, "", 501, `"kind":"off"`},
		{get, "/api/image/", nil, "", 400, "want its number"}, {get, "/api/image/-1", nil, "", 400, "want its number"}, {get, "/api/image/1e9", nil, "", 400, "want its number"},
		{get, "/api/image/99999999999999999999", nil, "", 400, "want its number"}, {get, "/api/image/999", nil, "", 404, "image 999: want 0 to"},
		{get, "/api/image/0/x", nil, "", 400, "want its number"}, {get, "/api/image/0?classes=a,b", nil, "", 501, `"kind":"off"`},
		{get, "/api/image/0?list=x", nil, "", 400, "want a whole number"}, {get, "/api/image/0?unusual=maybe", nil, "", 400, "want true or false"},
		{get, "/api/image/0?list=101", nil, "", 400, "want 0 to 100"}, {get, "/api/image/0?off=%3Cscript%3E", nil, "", 400, `unit \"\u003cscript\u003e\"`},
		{get, "/api/thumb/", nil, "", 400, "want its number"}, {get, "/api/thumb/999", nil, "", 404, "image 999: want 0 to"}, {get, "/api/thumb/0/x", nil, "", 400, "want its number"},
		{get, "/api/thumb/0?size=513", nil, "", 400, "want 1 to 512"}, {get, "/api/thumb/0?size=0", nil, "", 400, "want 1 to"}, {get, "/api/thumb/0?size=-1", nil, "", 400, "want a whole number"},
		{get, "/api/thumb/0?changed=x", nil, "", 400, "want true or false"}, {get, "/api/thumb/0?list=1", nil, "", 400, `parameter \"list\"`}, {post, "/api/thumb/0", nil, "", 405, "want GET or HEAD"},
		{get, "/api/scores?unit=n1", nil, "", 400, "want a pair"}, {get, "/api/scores", nil, "", 400, "unit"},
		{post, "/api/toggle", asJSON, ``, 400, "body: want JSON"}, {post, "/api/toggle", asJSON, `[]`, 400, "body: want JSON"}, {post, "/api/toggle", asJSON, `{"of": []}`, 400, "unknown field"},
		{post, "/api/toggle", asJSON, `{} {}`, 400, "more than one"}, {post, "/api/toggle", asJSON, `{"image": -1}`, 404, "image -1"}, {post, "/api/toggle", asJSON, `{"image": 1.5}`, 400, "body"},
		{post, "/api/toggle", asJSON, `{"off": "h1n7"}`, 400, "body"}, {post, "/api/toggle", asJSON, strings.Repeat("[", 100000), 400, "body"},
		{post, "/api/toggle", asJSON, large, 413, "more than 1048576 bytes"},
		{post, "/api/drop", nil, "", 400, "empty body"}, {post, "/api/drop", nil, "no image", 400, "read image"}, {post, "/api/drop", nil, string(photo[:len(photo)/2]), 400, "read image"},
		{post, "/api/drop?unit=h99n1", nil, string(photo), 400, `unit \"h99n1\"`},
		{post, "/api/segment?classes=a,b", nil, string(photo), 501, `"kind":"off"`}, {post, "/api/segment?classes=a&image=x", nil, "", 400, "want its number"},
		{post, "/api/segment?classes=a&sink=x", nil, "", 400, "want true or false"},
	} {
		s.do(t, x)
	}
	// A bomb: a small file that says that it is 60,000 pixels wide and high.
	bomb := append([]byte{}, "P6 60000 60000 255\n"...)
	s.do(t, exchange{post, "/api/drop", nil, string(bomb), 400, "read image"})
	answer, body := s.do(t, exchange{post, "/api/drop", nil, string(bytes.Repeat([]byte{'x'}, live.MaxUpload+1)), 413, "more than"})
	if answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s may be stored", body)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 9 {
		t.Errorf("%d entries in the report, want 9: nothing is stored (%v)", len(entries), err)
	}
}

// TestThumbs: thumbnails are sent once, and again if they are others; where there are no images, it is
// said why.
func TestThumbs(t *testing.T) {
	dir, _ := folder(t)
	s := serve(t, dir, "")
	answer, first := s.do(t, exchange{get, "/api/thumb/3", nil, "", 200, ""})
	tag := answer.Header.Get("ETag")
	if kind, stored := answer.Header.Get("Content-Type"), answer.Header.Get("Cache-Control"); kind != "image/jpeg" || stored != "no-cache" || len(tag) != 34 {
		t.Errorf("%s, %s, %s", kind, stored, tag)
	}
	if answer, body := s.do(t, exchange{get, "/api/thumb/3", map[string]string{"If-None-Match": tag}, "", 304, ""}); body != "" || answer.Header.Get("ETag") != tag {
		t.Errorf("sent again: %d bytes", len(body))
	}
	for _, other := range []string{"/api/thumb/2", "/api/thumb/3?size=32"} {
		if answer, body := s.do(t, exchange{get, other, map[string]string{"If-None-Match": tag}, "", 200, ""}); body == first || answer.Header.Get("ETag") == tag {
			t.Errorf("%s is that of /api/thumb/3", other)
		}
	}

	r := opened(t, dir)
	o, err := r.Inputs(Paths{}, live.Options{}, t.Errorf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Open(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = serveAnswers(t, r, l, "")
	s.do(t, exchange{get, "/api/thumb/3", nil, "", 501, "give {data-path}"})
	s.do(t, exchange{get, "/api/live", nil, "", 200, `"thumbs":{"on":false,"reason":"give {data-path}`})
}

// TestMarkup: names that look like markup are text in JSON.
func TestMarkup(t *testing.T) {
	dir, _ := folder(t)
	s := serve(t, dir, "")
	_, body := s.do(t, exchange{post, "/api/toggle", map[string]string{"Content-Type": "application/json"}, `{"off":["h1n7"]}`, 200, "worst_group"})
	var a live.Toggle
	if err := json.Unmarshal([]byte(body), &a); err != nil || strings.Contains(body, "<") {
		t.Errorf("%s: %v", body, err)
	}
	if w := a.After.WorstGroup; w == nil || w.Name != markup && w.Name != "b" || len(a.After.ByGroup) != 2 {
		t.Errorf("%+v", a.After)
	}
	for _, path := range []string{"/api/scores?unit=" + "%3Cimg%20src=x%3E", "/%3Cimg%20src=x%3E.js", "/api/image/%3Cb%3E", "/api/%3Cb%3E", "/p/%3Cscript%3E"} {
		if answer, body := s.do(t, exchange{get, path, nil, "", 0, ""}); strings.Contains(body+answer.Header.Get("Location"), "<") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// TestNoReport: folders that are none, or not finished, or of another version.
func TestNoReport(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(dir string) error
		want  string
		kind  error
	}{
		"empty":        {func(dir string) error { return os.Remove(filepath.Join(dir, report.MarkFile)) }, "so it is not a report", cache.ErrMissing},
		"another mark": {func(dir string) error { return os.WriteFile(filepath.Join(dir, report.MarkFile), []byte("{}"), 0o666) }, "is a file that clipnh report did not write", cache.ErrMissing},
		"no JSON":      {func(dir string) error { return os.WriteFile(filepath.Join(dir, report.MarkFile), []byte("x"), 0o666) }, "is a file that clipnh report did not write", cache.ErrMissing},
		"unfinished": {func(dir string) error {
			return change(filepath.Join(dir, report.MarkFile), `"complete"`, `"unfinished"`)
		}, "unfinished", cache.ErrMissing},
		"newer":         {func(dir string) error { return change(filepath.Join(dir, report.MarkFile), `"format":2`, `"format":3`) }, "format 3", cache.ErrVersion},
		"damaged data":  {func(dir string) error { return change(filepath.Join(dir, "data/index.js"), `clipnhData`, `alert`) }, "data/index.js: damaged: data file", cache.ErrDamaged},
		"no data":       {func(dir string) error { return os.Remove(filepath.Join(dir, "data/images.js")) }, "data/images.js: damaged: it is not there", cache.ErrDamaged},
		"a linked mark": {func(dir string) error { return linked(filepath.Join(dir, report.MarkFile)) }, "so it is not a report", cache.ErrMissing},
	} {
		dir, _ := folder(t)
		if err := test.spoil(dir); err != nil {
			t.Fatal(err)
		}
		r, err := OpenReport(dir)
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if _, err := OpenReport(filepath.Join(t.TempDir(), "none")); !errors.Is(err, cache.ErrMissing) {
		t.Errorf("no folder: %v", err)
	}
	dir, _ := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<body>"), 0o666); err != nil {
		t.Fatal(err)
	}
	listener, _, err := Listen(t.Context(), "127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := New(Options{Report: opened(t, dir)}, listener, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "not the first page") {
		t.Errorf("another first page: %v", err)
	}
}

// change replaces a text in a file.
func change(path, old, by string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(old)) {
		return errors.New(path + " lacks " + old)
	}
	return os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(by), 1), 0o666)
}

// linked moves a file out of its folder and links to it.
func linked(path string) error {
	away := filepath.Join(filepath.Dir(filepath.Dir(path)), "away.json")
	if err := os.Rename(path, away); err != nil {
		return err
	}
	return os.Symlink(away, path)
}

// TestInputsDataset: the layout of a folder of images that is given is the report's, unless
// it is given too.
func TestInputsDataset(t *testing.T) {
	dir, _ := folder(t)
	r := opened(t, dir)
	given := dataset.Options{Kind: dataset.Images, Path: "elsewhere"}
	keyed := []report.Input{{Kind: report.InputImages, Path: "/set", Dataset: dataset.ImageNetVal, LabelKey: "species"}}
	for _, test := range []struct {
		what  string
		made  []report.Input
		paths Paths
		given dataset.Options
		want  dataset.Options
	}{
		{"no images in the report", nil, Paths{}, given, given},
		{"the report's", []report.Input{{Kind: report.InputImages, Path: "/set", Dataset: dataset.ImageNetVal}}, Paths{}, dataset.Options{Kind: dataset.Images}, dataset.Options{Kind: dataset.ImageNetVal, Path: "/set"}},
		{"a folder is given", []report.Input{{Kind: report.InputImages, Path: "/set", Dataset: dataset.ImageNetVal}}, Paths{}, given, dataset.Options{Kind: dataset.ImageNetVal, Path: "elsewhere"}},
		{"and its layout", []report.Input{{Kind: report.InputImages, Path: "/set", Dataset: dataset.ImageNetVal}}, Paths{Dataset: true}, given, given},
		{"the name of labels", keyed, Paths{}, dataset.Options{Path: "a.tar"}, dataset.Options{Kind: dataset.ImageNetVal, LabelKey: "species", Path: "a.tar"}},
		{"another name", keyed, Paths{}, dataset.Options{Path: "a.tar", LabelKey: "kind"}, dataset.Options{Kind: dataset.ImageNetVal, LabelKey: "kind", Path: "a.tar"}},
		{"the same layout", keyed, Paths{Dataset: true}, dataset.Options{Kind: dataset.ImageNetVal, Path: "a.tar"}, dataset.Options{Kind: dataset.ImageNetVal, LabelKey: "species", Path: "a.tar"}},
		{"another layout", keyed, Paths{Dataset: true}, given, given},
		{"a folder has its labels", keyed, Paths{}, dataset.Options{Path: dir}, dataset.Options{Kind: dataset.ImageNetVal, Path: dir}},
	} {
		r.mark.Inputs = test.made
		if o, err := r.Inputs(test.paths, live.Options{Data: test.given}, t.Errorf); err != nil || o.Data != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.what, o.Data, err, test.want)
		}
	}
}

// TestInputs: inputs are found where the report was made from, and are the same; others are
// refused if they are given, and switch off what needs them if not.
func TestInputs(t *testing.T) {
	dir, scores := folder(t)
	r := opened(t, dir)
	other := filepath.Join(t.TempDir(), "classes.npy")
	data, err := os.ReadFile(testutil.Golden("text/zeroshot.npy"))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(other, data, 0o666); err != nil {
		t.Fatal(err)
	}
	warned := 0
	warn := func(string, ...any) { warned++ }
	o, err := r.Inputs(Paths{}, live.Options{}, warn)
	if err != nil || o.ScoresPath != scores || o.ClassesPath != testutil.Golden("text/zeroshot.npy") || o.PCsPath != "" || len(o.Why) != 0 || len(o.GroupOf) != len(r.images.Names) {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := r.Inputs(Paths{Classes: other}, live.Options{}, warn); !errors.Is(err, cache.ErrStale) || !strings.HasPrefix(err.Error(), other) || !strings.HasSuffix(err.Error(), "made from another one, "+testutil.Golden("text/zeroshot.npy")) {
		t.Errorf("other classes: %v, want both sides", err)
	}
	if o, err := r.Inputs(Paths{Classes: other, Force: true}, live.Options{}, warn); err != nil || o.ClassesPath != other || warned != 1 {
		t.Errorf("other classes, forced: %s, %v, %d warnings", o.ClassesPath, err, warned)
	}
	r.mark.Inputs[1].Path = other
	if o, err := r.Inputs(Paths{}, live.Options{}, warn); err != nil || o.ClassesPath != "" || !strings.Contains(o.Why[live.Classes], "another one") {
		t.Errorf("classes that have changed: %q, %q, %v", o.ClassesPath, o.Why, err)
	}
	r.mark.Inputs[0].Path = filepath.Join(t.TempDir(), "gone")
	if o, err := r.Inputs(Paths{Components: other}, live.Options{}, warn); err != nil || o.ScoresPath != "" || !strings.Contains(o.Why[live.Scores], "gone") || o.PCsPath != other {
		t.Errorf("scores that are gone: %q, %q, %v", o.ScoresPath, o.Why, err)
	}
	if _, err := r.Inputs(Paths{Scores: r.mark.Inputs[0].Path}, live.Options{}, warn); err == nil {
		t.Error("scores that are gone were given")
	}
}
