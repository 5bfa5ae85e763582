package project

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte("# what all commands share\nmodel: RN50x16.pt\nthreads: 4\nexif: true\n\ncollect:\n  dataset: images\n  \"shape\": \"1,2\"\nclasses: [dog, \"a, b\", 3]\nempty: {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Settings: []Setting{
			{"model", 2, Text, []string{"RN50x16.pt"}}, {"threads", 3, Number, []string{"4"}}, {"exif", 4, Truth, []string{"true"}},
			{"classes", 9, List, []string{"dog", "a, b", "3"}},
		},
		Sections: []Section{
			{"collect", 6, []Setting{{"dataset", 7, Text, []string{"images"}}, {"shape", 8, Text, []string{"1,2"}}}},
			{"empty", 10, nil},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		if got, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, new(File)) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"list":          {"- a\n", "line 1: not a mapping"},
		"text":          {"model\n", "line 1: not a mapping"},
		"twice":         {"model: a\nmodel: b\n", `line 2: "model" is on line 1 already`},
		"anchor":        {"model: &a b\nvocab: *a\n", "line 1: an anchor or alias"},
		"merge":         {"a: &x {b: c}\nd: {<<: *x}\n", "line 1: an anchor or alias"},
		"tag":           {"model: !!binary aGk=\n", "line 1: a tag"},
		"no value":      {"threads: 2\nmodel:\n", `line 2: "model": no value`},
		"empty":         {"model: \"\"\n", `line 1: "model": empty`},
		"nested":        {"collect:\n  data:\n    set: 1\n", `line 3: "data": a mapping in a section`},
		"list in list":  {"classes:\n  - [a]\n", `line 2: "classes": a list in a list`},
		"truth in list": {"classes: [yes, true]\n", `line 1: "classes": true in a list`},
		"key":           {"[a]: b\n", "line 1: a key that is not a text"},
		"documents":     {"a: b\n---\nc: d\n", "a second document"},
		"tab":           {"a:\n\tb: c\n", "line 2: not YAML: found character that cannot start any token"},
		"open":          {"a: [b\n", "line 1: not YAML"},
		"alias":         {"a: b\nc: *d\n", "line 2: not YAML: unknown anchor 'd' referenced"},
		"bytes":         {"a: b\nc: d\ne: \xff\n", "line 3: not YAML"},
		"control":       {"a: b\nc: \x01\n", "line 2: not YAML: control characters"},
		"first":         {"\tmodel: a\n", "line 1: not YAML: found character that cannot start any token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if bad := testutil.Line(err, test.want); bad != nil {
				t.Error(bad)
			}
		})
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o777); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(deep); got != "" || err != nil {
		t.Errorf("none: %q, %v", got, err)
	}
	for _, at := range []string{dir, filepath.Join(dir, "a")} {
		path := filepath.Join(at, Name)
		if err := os.WriteFile(path, []byte("model: 1\nmodel: 2\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := Find(deep); got != path || err != nil {
			t.Errorf("%q, %v, want %q", got, err, path)
		}
		_, err := Read(path)
		if bad := testutil.Line(err, path+`:2: "model" is on line 1 already`); bad != nil {
			t.Error(bad)
		}
	}
	big := filepath.Join(deep, Name)
	if err := os.WriteFile(big, bytes.Repeat([]byte("#"), maxFile+1), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(big); err == nil || !strings.Contains(err.Error(), big) {
		t.Errorf("a file of more than %d bytes: %v", maxFile, err)
	}
}

// Any text gives settings on lines of it, or an error of one line.
func FuzzParse(f *testing.F) {
	f.Add([]byte("model: RN50x16.pt\ncollect:\n  dataset: images\nclasses: [dog, 3]\n"))
	f.Add([]byte("a: &a [b]\nc: *a\n"))
	f.Add([]byte("? [x]\n: y\n"))
	f.Add([]byte("a: !!int b\n---\n..."))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFile {
			return
		}
		file, err := Parse(data)
		if err != nil {
			if text := err.Error(); strings.Contains(text, "\n") {
				t.Errorf("an error of several lines: %q", text)
			}
			return
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + bytes.Count(data, []byte("\u0085")) +
			bytes.Count(data, []byte("\u2028")) + bytes.Count(data, []byte("\u2029")) + 1
		check := func(settings []Setting) {
			for _, s := range settings {
				if s.Key == "" || s.Kind == "" || s.Line < 1 || s.Line > lines || s.Kind != List && len(s.Values) != 1 {
					t.Errorf("%+v of %d lines", s, lines)
				}
			}
		}
		check(file.Settings)
		for _, section := range file.Sections {
			check(section.Settings)
		}
	})
}
