package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/ui"
)

// TestTexts gives a flag texts in every way.
func TestTexts(t *testing.T) {
	t.Chdir(t.TempDir())
	writeLines(t, "list.txt", "snow", "grass, wet")
	writeLines(t, "dog", "from a file that is called dog")
	for name, test := range map[string]struct {
		args   []string
		isPath func(string) bool
		stdin  string
		want   []string
		err    string
	}{
		"one":                {args: []string{"a b"}, want: []string{"a b"}},
		"several":            {args: []string{"cat, bird ,fish"}, want: []string{"cat", "bird", "fish"}},
		"repeated":           {args: []string{"cat", "bird"}, want: []string{"cat", "bird"}},
		"quoted":             {args: []string{`cat,"bird, flying" , "a ""b"""`}, want: []string{"cat", "bird, flying", `a "b"`}},
		"quote within":       {args: []string{`5" disk,cat`}, want: []string{`5" disk`, "cat"}},
		"file":               {args: []string{"@list.txt", "cat"}, want: []string{"snow", "grass, wet", "cat"}},
		"stdin":              {args: []string{"@-"}, stdin: "x\ny\n", want: []string{"x", "y"}},
		"dash":               {args: []string{"-"}, stdin: "x\n", want: []string{"x"}},
		"quoted at":          {args: []string{`"@home"`}, want: []string{"@home"}},
		"old path":           {args: []string{"list.txt"}, isPath: isList, want: []string{"snow", "grass, wet"}},
		"old path, no end":   {args: []string{"dog"}, isPath: isList, want: []string{"from a file that is called dog"}},
		"a file's name":      {args: []string{"dog"}, want: []string{"dog"}},
		"quoted, not a path": {args: []string{`"dog"`}, isPath: isList, want: []string{"dog"}},
		"empty":              {args: []string{""}, err: "--probe is empty: want a text"},
		"empty among":        {args: []string{"a,,b"}, err: `--probe "a,,b": an empty text`},
		"empty at the end":   {args: []string{"a,"}, err: `--probe "a,": an empty text`},
		"empty in quotes":    {args: []string{`a,""`}, err: "an empty text"},
		"open quote":         {args: []string{`"a,b`}, err: "a quote is not closed"},
		"after a quote":      {args: []string{`"a"b`}, err: `"b" after a closing quote, want a comma`},
		"at among":           {args: []string{"a,@list.txt"}, err: "give @FILE to the flag a second time"},
		"no file":            {args: []string{"@"}, err: "--probe @: no file"},
		"missing file":       {args: []string{"@nope.txt"}, err: "nope.txt: no such file"},
		"stdin twice":        {args: []string{"-", "@-"}, stdin: "x\n", err: "both read standard input"},
		"nothing on stdin":   {args: []string{"-"}, err: "--probe: standard input: "},
	} {
		t.Run(name, func(t *testing.T) {
			fs := pflag.NewFlagSet("probe", pflag.ContinueOnError)
			var list textList
			textsFlag(fs, &list, "probe", "", "`TEXTS`", test.isPath)
			for _, arg := range test.args {
				if err := fs.Set("probe", arg); err != nil {
					t.Fatal(err)
				}
			}
			r := &textReader{say: ui.NewPrinter(new(strings.Builder), new(strings.Builder), time.Now), stdin: strings.NewReader(test.stdin)}
			got, err := list.read(r)
			if test.err != "" {
				if bad := testutil.Line(err, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// A text that is also the name of a file is a text, and how to read the file is said.
func TestTextsThatAreFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	writeLines(t, "t.txt", "snow")
	for given, want := range map[string]string{
		"t.txt":   "note: --probe t.txt is taken as a text; there is a file of this name, which @t.txt reads\n",
		`"t.txt"`: "", "@t.txt": "", "snow": "",
	} {
		fs := pflag.NewFlagSet("probe", pflag.ContinueOnError)
		var list textList
		textsFlag(fs, &list, "probe", "", "`TEXTS`", nil)
		if err := fs.Set("probe", given); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		if _, err := list.read(&textReader{say: ui.NewPrinter(new(strings.Builder), &said, time.Now)}); err != nil || said.String() != want {
			t.Errorf("%s: said %q, %v, want %q", given, said.String(), err, want)
		}
	}
}

// TestFlagsThatTakeTexts holds that flags of one name take texts in every command, and say so
// in the same words.
func TestFlagsThatTakeTexts(t *testing.T) {
	for _, cmd := range everyCommand() {
		for _, name := range []string{"classes", "concepts", "text", "texts", "remove-text", "templates"} {
			f := cmd.Flags().Lookup(name)
			if f == nil {
				continue
			}
			if _, ok := f.Value.(*textList); !ok {
				t.Errorf("%s --%s does not take texts as other commands do", cmd.Name(), name)
			}
			if !f.Hidden && !strings.HasSuffix(f.Usage, textsHelp) {
				t.Errorf("%s --%s: usage %q, want it to end in %q", cmd.Name(), name, f.Usage, textsHelp)
			}
		}
	}
}

// Templates of the command line, in quotes where they have a comma.
func TestTemplatesTyped(t *testing.T) {
	t.Chdir(t.TempDir())
	writeLines(t, "t.txt", "a {}.")
	g := &globalOptions{texts: textReader{say: ui.NewPrinter(new(strings.Builder), new(strings.Builder), time.Now)}}
	for given, want := range map[string][]string{
		"t.txt":                        {"a x."},
		"@t.txt":                       {"a x."},
		"a {}, the {}":                 {"a x", "the x"},
		`"a photo of a {}, outdoors."`: {"a photo of a x, outdoors."},
	} {
		fs := pflag.NewFlagSet("probe", pflag.ContinueOnError)
		o := embedOptions{useTemplates: true}
		templatesFlag(fs, &o.templates, "text")
		if err := fs.Set("templates", given); err != nil {
			t.Fatal(err)
		}
		templates, err := o.prompts(g)
		var got []string
		for _, template := range templates {
			got = append(got, template.Fill("x"))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", given, got, err, want)
		}
	}
	if err := os.Remove("t.txt"); err != nil {
		t.Fatal(err)
	}
}

// TestListsOnStdin gives the lists that flags name as files on standard input: what is made
// has the same bytes.
func TestListsOnStdin(t *testing.T) {
	assets, err := filepath.Abs("../../internal/demo/assets")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	writeLines(t, "texts.txt", "a cat", "a dog")
	writeLines(t, "units.txt", "h1n2", "n5")
	model, vocab := filepath.Join(assets, "tiny-clip.pt"), filepath.Join(assets, "bpe_demo_vocab.txt.gz")
	embed := []string{"embed", "--model", model, "--vocab", vocab, "--quiet", "--embeddings-save-path"}
	must(t, exitDone, append(embed, "file.npy", "--lines", "texts.txt")...)
	want, err := os.ReadFile("file.npy")
	if err != nil {
		t.Fatal(err)
	}
	for i, args := range [][]string{{"--lines", "-"}, {"--lines", "/dev/stdin"}, {"--text", "@/dev/stdin"}, {"--text", "-"}} {
		out := fmt.Sprintf("%d.npy", i)
		var stderr strings.Builder
		if code := run(t.Context(), append(append(slices.Clone(embed), out), args...), strings.NewReader("a cat\na dog\n"), io.Discard, &stderr); code != exitDone {
			t.Fatalf("%q: exit code %d: %s", args, code, &stderr)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: error %v, or other embeddings than those of the file", args, err)
		}
	}
	units := unitsOptions{pairs: "h3n4", file: "-"}
	names, err := units.names(&textReader{say: ui.NewPrinter(io.Discard, io.Discard, time.Now), stdin: strings.NewReader("h1n2\nn5\n")})
	if err != nil || !slices.Equal(names, []string{"h3n4", "h1n2", "n5"}) {
		t.Errorf("units %q, error %v", names, err)
	}
}
