package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseShape(t *testing.T) {
	want := []int{1000, 48, 3072, 768}
	for _, text := range []string{
		"1000,48,3072,768", "(1000, 48, 3072, 768)", "[1000,48,3072,768]", "[1000, 48, 3072, 768,]", "1000 48 3072 768",
		" 1000x48x3072x768 ", "1000 x 48 x 3072 x 768", "1000X48X3072X768", "(1000×48×3072×768)", "(1000 48 3072 768)",
	} {
		if got, err := parseShape(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"1000,48x3072", "4,x", "1,,2", "(1,2", "1,2)", "[1,2)", "1 -2", "0,1", "1.5,2", "x"} {
		if got, err := parseShape(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestSpacedValues takes numbers after a flag as argparse does.
func TestSpacedValues(t *testing.T) {
	for line, want := range map[string]string{
		"retrieve --neur_idxs 3 5 --top 1":         "retrieve --neur_idxs 3,5 --top 1",
		"retrieve --neur-idxs 3":                   "retrieve --neur-idxs 3",
		"retrieve --neur-idxs":                     "retrieve --neur-idxs",
		"retrieve --neur-idxs=3 5":                 "retrieve --neur-idxs=3 5",
		"retrieve --top 3 5":                       "retrieve --top 3 5",
		"svd --shape 4 5 6 7 --top-k-pca 3":        "svd --shape 4,5,6,7 --top-k-pca 3",
		"ablate --percentile 50 90.5 --quiet":      "ablate --percentile 50,90.5 --quiet",
		"describe --pcs-path x -- --neur-idxs 3 5": "describe --pcs-path x -- --neur-idxs 3 5",
	} {
		if got := strings.Join(joined(strings.Fields(line)), " "); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	a := makeInputs(t, "model/tiny_jit.pt", labelled(t))
	printed, _ := must(t, exitDone, "retrieve", "--neur_idxs", "3", "5", "--scores", a.at("scores"), "--top", "1", "--quiet")
	if !strings.Contains(printed, "\nn3 ") || !strings.Contains(printed, "\nn5 ") {
		t.Errorf("printed\n%s", printed)
	}
}

func TestScriptFiles(t *testing.T) {
	for name, want := range map[string]string{
		"collection.py":      `"clipnh collect" does what collection.py does`,
		"src/eval.py":        `"clipnh segment" does what src/eval.py does`,
		"polysemanticity.py": `"clipnh polysemanticity" does`,
		"python":             `leave out "python"`,
		"collections.py":     `run "clipnh --help"`,
	} {
		if _, said := must(t, exitUsage, name, "--model", "x"); !strings.Contains(said, "hint: ") || !strings.Contains(said, want) {
			t.Errorf("%s: said\n%swant %s", name, said, want)
		}
	}
}
