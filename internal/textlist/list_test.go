package textlist

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestParseList reads lists in the forms that they are passed around in.
func TestParseList(t *testing.T) {
	cats := []string{"cat", "dog"}
	for name, test := range map[string]struct {
		text    string
		want    []string
		warning string
		err     string
	}{
		"plain":             {text: "cat\ndog\n", want: cats},
		"JSON":              {text: "[\"cat\",\n \"dog\"]\n", want: cats, warning: `a JSON list: it is read as 2 texts, of which the first is "cat"`},
		"JSON by number":    {text: `{"1": "dog", "0": "cat"}`, want: cats, warning: "a JSON object: it is read as 2 texts"},
		"JSON, escapes":     {text: `["a \u00e9"]`, want: []string{"a é"}, warning: "a JSON list"},
		"JSON of numbers":   {text: `[1, 2]`, err: "a JSON list that holds other values than texts, want texts"},
		"JSON of lists":     {text: `{"0": ["n01440764", "tench"]}`, err: "a JSON object that holds other values than texts"},
		"JSON, key 2":       {text: `{"0": "cat", "2": "dog"}`, err: `a JSON object of 2 texts without the key "1", want the numbers from 0`},
		"JSON, none":        {text: `[]`, err: "a JSON list without texts"},
		"JSON, blank":       {text: `["cat", " "]`, err: "text 2: blank"},
		"JSON, line break":  {text: `["cat\ndog"]`, err: "text 1: a line break, want a text of one line"},
		"Python, one line":  {text: "['cat', 'dog']", err: "a list in brackets that is not JSON, want one text a line"},
		"brackets":          {text: "[CLS]\ncat\n[SEP]", want: []string{"[CLS]", "cat", "[SEP]"}},
		"one in brackets":   {text: "[CLS]\n", want: []string{"[CLS]"}},
		"numbered":          {text: "0: cat\n1: dog\n", want: cats, warning: "lines are numbered from 0 to 1: the numbers are left out"},
		"numbered from 1":   {text: "1. cat\n2. dog\n", want: cats, warning: "lines are numbered from 1 to 2"},
		"numbered )":        {text: "1) cat\n2) dog\n", want: cats, warning: "lines are numbered from 1 to 2"},
		"out of order":      {text: "3: cat\n1: dog\n", want: []string{"3: cat", "1: dog"}, warning: `every line begins with a number, as "3: cat" does, but not in order: the numbers are kept as part of the texts`},
		"some numbers":      {text: "0: cat\ndog\n", want: []string{"0: cat", "dog"}},
		"decimals":          {text: "0.5 mm\n1.5 mm\n", want: []string{"0.5 mm", "1.5 mm"}},
		"years":             {text: "1991 Volvo\n1992 Volvo\n", want: []string{"1991 Volvo", "1992 Volvo"}},
		"times":             {text: "10: 30\n11: 30\n", want: []string{"10: 30", "11: 30"}, warning: "but not in order"},
		"a table":           {text: "0\tcat\n1\tdog\n", want: []string{"0\tcat", "1\tdog"}},
		"one number":        {text: "0: cat\n", want: []string{"0: cat"}},
		"quotes":            {text: "\"cat\"\n\"dog\"\n", want: cats, warning: `texts are in quotes, as "\"cat\"" is: the quotes are left out`},
		"quotes, commas":    {text: "'cat',\n'dog'\n", want: cats, warning: "the quotes are left out"},
		"quotes of both":    {text: "'cat',\n\"crow's nest\",\n", want: []string{"cat", "crow's nest"}, warning: "the quotes are left out"},
		"some quotes":       {text: "\"cat\"\ndog\n", want: []string{`"cat"`, "dog"}, warning: "1 of 2 texts is in quotes, which are kept as part of the text"},
		"quotes within":     {text: `"a ""cat"""` + "\n" + `"dog"`, want: []string{`"a ""cat"""`, `"dog"`}, warning: "but 1 of 2 texts has others inside"},
		"apostrophes":       {text: "'tis\nrock 'n'\n", want: []string{"'tis", "rock 'n'"}},
		"Python dict":       {text: "{0: 'tench, Tinca tinca',\n 1: \"crow's nest\",\n 2: 'goldfish'}", want: []string{"tench, Tinca tinca", "crow's nest", "goldfish"}, warning: "lines are numbered from 0 to 2"},
		"CR only":           {text: "0: cat\r1: dog", want: cats, warning: "numbered"},
		"nothing in quotes": {text: "\" \"\n\"a\"", err: "line 1: blank, want a text"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := ParseList(strings.NewReader(test.text))
			if test.err != "" {
				if bad := testutil.Line(err, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(list.Texts, test.want) {
				t.Errorf("texts %q, want %q", list.Texts, test.want)
			}
			if got := strings.Join(list.Warnings, "; "); (test.warning == "") != (got == "") || !strings.Contains(got, test.warning) {
				t.Errorf("warnings %q, want %q", list.Warnings, test.warning)
			}
		})
	}
}

func TestReadList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte(`["a {}"]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := ReadList(path); err != nil || !slices.Equal(list.Texts, []string{"a {}"}) {
		t.Errorf("%q, %v", list, err)
	}
	dir := filepath.Dir(path)
	_, list := ReadList(dir)
	_, lines := ReadFile(dir)
	for _, err := range []error{list, lines} {
		if bad := testutil.Line(err, dir+": a folder, want a file"); bad != nil {
			t.Error(bad)
		}
	}
}

// listFactor is what reading a list in any form may allocate in all for each of
// its bytes.
const listFactor = 40

// TestListMemory reads lists of the shortest texts in each form.
func TestListMemory(t *testing.T) {
	const n = 1 << 19
	var object strings.Builder
	for i := range 1 << 16 {
		object.WriteString(",\"" + strings.Repeat("1", i%9) + "\":\"\"")
	}
	for name, list := range map[string]string{
		"JSON":   "[" + strings.Repeat(`"",`, n) + `"a"]`,
		"object": `{"a":""` + object.String() + "}",
		"lines":  strings.Repeat("a\n", n),
		"quotes": strings.Repeat("'a'\n", n),
		"commas": strings.Repeat("1: a\n", n),
	} {
		t.Run(name, func(t *testing.T) {
			read := func() error { _, err := ParseList(strings.NewReader(list)); return err }
			testutil.Parsed(t, testutil.Multiple(len(list), listFactor), read)
			t.Logf("%.1f bytes allocated for each of %d", float64(testutil.Allocated(func() { read() }))/float64(len(list)), len(list))
		})
	}
}

func FuzzParseList(f *testing.F) {
	for _, seed := range []string{`["a", "b"]`, `{"0": "a"}`, "{0: 'a',\n1: 'b'}", "0: \"a\"\n1: \"b\"", "a\rb", "1) 'a',\n2) 'b',", "cat\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var list List
		if !testutil.Parsed(t, testutil.Multiple(len(data), listFactor), func() (err error) {
			list, err = ParseList(bytes.NewReader(data))
			return err
		}) {
			return
		}
		for _, text := range list.Texts {
			if check(text) != nil {
				t.Errorf("text %q", text)
			}
		}
		lines, err := Read(bytes.NewReader(data))
		if len(list.Warnings) == 0 && (err != nil || !slices.Equal(lines, list.Texts)) {
			t.Errorf("%q without a warning, and lines %q, %v", list.Texts, lines, err)
		}
	})
}
