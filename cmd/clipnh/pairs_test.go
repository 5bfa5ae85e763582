package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/testutil"
)

// inputs returns the inputs of a line, in order.
func (p pairing) inputs() []string {
	var all []string
	for _, m := range inputInBraces.FindAllStringSubmatch(p.line, -1) {
		all = append(all, m[1])
	}
	return all
}

var inputInBraces = regexp.MustCompile(`\{([^}]+)\}`)

// args are the arguments of a line with inputs from some worlds.
func (p pairing) args(from func(input string) world, places *strings.Replacer) []string {
	args := strings.Fields(places.Replace(p.line))
	for i := range args {
		args[i] = inputInBraces.ReplaceAllStringFunc(args[i], func(m string) string {
			input := strings.Trim(m, "{}")
			return from(input).at(input)
		})
	}
	return append(args, "--quiet")
}

// groups are the inputs that must agree, group by group.
func groups(together string) [][]string {
	var all [][]string
	for group := range strings.SplitSeq(together, ";") {
		all = append(all, strings.Fields(group))
	}
	return all
}

// mixed reports whether a set of inputs from another world is a mixture: whether it has
// a part of a group, of which the line itself is never from there.
func mixed(set []string, groups [][]string) bool {
	return slices.ContainsFunc(groups, func(group []string) bool {
		n := 0
		for _, input := range group {
			if slices.Contains(set, input) {
				n++
			}
		}
		return n > 0 && n < len(group)
	})
}

// mixtures returns the sets of inputs that are taken from another world: of few inputs
// all that are mixtures, of many those of one or two inputs or all but one.
func mixtures(groups [][]string) [][]string {
	inputs := slices.Compact(slices.Sorted(slices.Values(slices.Concat(groups...))))
	inputs = slices.DeleteFunc(inputs, func(input string) bool { return input == "line" })
	var sets [][]string
	for bits := 1; bits < 1<<len(inputs); bits++ {
		var set []string
		for i, input := range inputs {
			if bits&(1<<i) != 0 {
				set = append(set, input)
			}
		}
		if n := len(set); mixed(set, groups) && (len(inputs) <= 5 || n <= 2 || n >= len(inputs)-1) {
			sets = append(sets, set)
		}
	}
	return sets
}

// TestInputsBelongTogether gives every command, for every pair of its inputs and more,
// some that were made from something else: another model, block of layer4, precision,
// stride, mode, list of texts or order of them, or that are of another kind. All have
// the shape of the right ones. Each mixture is refused before anything is printed or
// written, and what may come from elsewhere is used.
func TestInputsBelongTogether(t *testing.T) {
	data := labelled(t)
	golden, err := os.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	texts := lists{strings.Split(strings.TrimSpace(string(golden)), "\n"), []string{"dog", "cat"}}
	writeLines(t, filepath.Join(data, "classes.txt"), "class0\tdog", "class1\tcat")
	reversed := lists{slices.Clone(texts.words), []string{"cat", "dog"}}
	slices.Reverse(reversed.words)
	others := lists{nil, []string{"elk", "hen"}}
	for _, word := range texts.words {
		others.words = append(others.words, "no "+word)
	}
	scenes := sceneFolder(t)
	of := making{"model/tiny_jit.pt", data, scenes, 1, false, texts}
	base := of.make(t)
	with := func(change func(m *making)) world {
		m := of
		change(&m)
		return m.make(t)
	}
	worlds := map[string]world{
		"model":  with(func(m *making) { m.model = "model/tiny_sd_bf16.pt" }),
		"block":  with(func(m *making) { m.lens = true }),
		"stride": otherStride(t, with(func(m *making) { m.stride = 2 }), base),
		"texts":  with(func(m *making) { m.texts = others }),
		"order":  with(func(m *making) { m.texts = reversed }),
		"precision": rewritten(t, base, func(_ string, o *origin.Origin) {
			if o.Precision != "" {
				o.Precision = origin.BFloat16
			}
		}),
		"mode": rewritten(t, base, func(name string, o *origin.Origin) {
			if other := map[string]string{"mask_n.npy": "neur_acts", "norms.npy": "n", "norms_n.npy": "neur_acts", "norms_acts.npy": "n"}[name]; other != "" {
				o.Mode = other
			}
		}),
		"kind": exchanged(t, base, map[string]string{
			"pc0.npy": "means.npy", "means.npy": "pc0.npy", "pc0_n.npy": "means_n.npy", "pc1_n.npy": "means_n.npy", "means_n.npy": "pc0_n.npy",
			"mask.npy": "inertia.npy", "mask_n.npy": "inertia_n.npy", "sink.npy": "inertia_n.npy", "classes.npy": "features.npy",
		}),
	}
	labelsFile := groupedLabels(t, data)
	refused, used, pairs := 0, 0, map[string]bool{}
	for _, p := range pairings {
		outside := t.TempDir()
		places := strings.NewReplacer("OUT", filepath.Join(outside, "out"), "DATA", data, "SCENES", scenes, "LABELS", labelsFile,
			"IMAGE", testutil.Golden("seg/slide.png"), "VOCAB", testutil.Golden("text/toy_merges.txt.gz"))
		inputs := p.inputs()
		must(t, exitDone, p.args(func(string) world { return base }, places)...)
		empty := func() {
			if err := errors.Join(os.RemoveAll(outside), os.Mkdir(outside, 0o777)); err != nil {
				t.Fatal(err)
			}
		}
		for _, what := range []string{"model", "block", "precision", "stride", "texts", "order", "mode", "kind"} {
			from := func(set []string) []string {
				return p.args(func(input string) world {
					if slices.Contains(set, input) {
						return worlds[what]
					}
					return base
				}, places)
			}
			together, free := groups(p.together[what]), strings.Fields(p.free[what])
			for _, input := range inputs {
				known := slices.Contains(slices.Concat(together...), input) || slices.Contains(free, input)
				if known != differs(t, base, worlds[what], input) {
					t.Errorf("%s: %s of another %s is named %t in the table and differs %t", p.name, input, what, known, !known)
				}
			}
			for _, set := range mixtures(together) {
				empty()
				args := from(set)
				code, printed, said := clipnh(args...)
				want := exitStale
				if what == "kind" && p.name == "registers, resumed" {
					want = exitFailed // another kind of file where the output goes is never replaced
				}
				if code != want || printed != "" {
					t.Errorf("%s: another %s of %s: exit code %d, want %d and nothing on stdout\n%q\n%s%s", p.name, what, set, code, want, args, printed, said)
				}
				if left := filesBelow(t, outside); len(left) > 0 {
					t.Errorf("%s: another %s of %s: wrote %q", p.name, what, set, slices.Sorted(maps.Keys(left)))
				}
				refused++
				for _, a := range set {
					for _, b := range inputs {
						if !slices.Contains(set, b) && mixed([]string{a}, together) {
							pairs[strings.Join([]string{p.name, what, a, b}, "\t")] = true
						}
					}
				}
			}
			for _, input := range free {
				empty()
				must(t, exitDone, from([]string{input})...)
				used++
			}
		}
	}
	t.Logf("%d command lines: %d mixtures of inputs refused, %d pairs of inputs that differ; %d inputs used that may", len(pairings), refused, len(pairs), used)
}

// groupedLabels is a table of every second image of a labelled data set, with its class
// as label, and two groups that say nothing.
func groupedLabels(t *testing.T, data string) string {
	t.Helper()
	rows := []string{"image,label,group"}
	for class, label := range []string{"dog", "cat"} {
		folder := fmt.Sprint("class", class)
		images, err := os.ReadDir(filepath.Join(data, "val", folder))
		if err != nil {
			t.Fatal(err)
		}
		for i, image := range images {
			if i%2 == 0 {
				rows = append(rows, fmt.Sprintf("%s/%s,%s,group%d", folder, image.Name(), label, i/2%2))
			}
		}
	}
	return writeLines(t, filepath.Join(t.TempDir(), "labels.csv"), rows...)
}

// sceneFolder is a data set of two scenes with their labels, 0 and 1.
func sceneFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	scene, err := os.ReadFile(testutil.Golden("seg/slide.png"))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := png.DecodeConfig(bytes.NewReader(scene))
	if err != nil {
		t.Fatal(err)
	}
	labels := image.NewGray(image.Rect(0, 0, shown.Width, shown.Height))
	for i := range labels.Pix {
		labels.Pix[i] = uint8(i % 2)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, labels); err != nil {
		t.Fatal(err)
	}
	for folder, content := range map[string][]byte{"images": scene, "labels": b.Bytes()} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a.png", "b.png"} {
			if err := os.WriteFile(filepath.Join(dir, folder, name), content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
