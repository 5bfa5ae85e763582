package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// shortFlags are the flags that a letter stands for, in every command that has one of them.
var shortFlags = map[string][]string{
	"m": {"model"}, "d": {"data-path"}, "s": {"scores"}, "p": {"pcs-path"}, "c": {"classes"},
	"t": {"threads"}, "q": {"quiet"}, "v": {"verbose"}, "h": {"help"},
}

// TestShortFlags holds that a letter means the same everywhere: that each of these flags has
// its letter in every command, that -o is an output and every command that writes has it,
// and that there are no others.
func TestShortFlags(t *testing.T) {
	for _, cmd := range everyCommand() {
		outputs, hasOutput := 0, false
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if isOutput(f.Name) && f.Name != "plot" && f.Name != "graph" && !strings.Contains(f.Usage, "read") {
				outputs++
			}
			if f.Shorthand == "o" {
				hasOutput = true
				if !isOutput(f.Name) {
					t.Errorf("%s: -o is --%s, which says nothing about where to write", cmd.Name(), f.Name)
				}
				return
			}
			if f.Shorthand != "" && !slices.Contains(shortFlags[f.Shorthand], f.Name) {
				t.Errorf("%s: -%s is --%s, want %v", cmd.Name(), f.Shorthand, f.Name, shortFlags[f.Shorthand])
			}
			for letter, flags := range shortFlags {
				if slices.Contains(flags, f.Name) && f.Shorthand != letter {
					t.Errorf("%s: --%s has no -%s", cmd.Name(), f.Name, letter)
				}
			}
		})
		if unmarked := []string{"docs", "reconstruct", "ablate"}; outputs > 0 && !hasOutput && !slices.Contains(unmarked, cmd.Name()) {
			t.Errorf("%s writes and has no -o", cmd.Name())
		}
	}
}

// A long name with one dash is not taken for letters.
func TestSingleDash(t *testing.T) {
	for _, line := range []string{"info -model x.pt", "collect -data-path=photos", "info --vit-heads 2 -model x"} {
		_, said := must(t, exitUsage, strings.Fields(line)...)
		if !strings.Contains(said, `hint: did you mean "--`) {
			t.Errorf("%s: said\n%s", line, said)
		}
	}
	// A value that reads like a flag is a value.
	if _, said := must(t, exitFailed, "info", "--model", "-model"); !strings.Contains(said, "-model: no such file") {
		t.Errorf("said\n%s", said)
	}
	if _, said := must(t, exitFailed, "info", "-m", "-model"); !strings.Contains(said, "-model: no such file") {
		t.Errorf("said\n%s", said)
	}
}

// A flag without its value does not take the next flag for it, unless after =.
func TestFlagAsValue(t *testing.T) {
	for line, want := range map[string]string{
		"collect --model m --data-path --save-path k/q": "--data-path needs a value, found --save-path\nhint: if the value is really that, give it after =, as in --data-path=--save-path",
		"collect --data_path --save-path=k/q":           "--data_path needs a value, found --save-path",
		"collect -m --json":                             "-m needs a value, found --json",
	} {
		_, said := must(t, exitUsage, strings.Fields(line)...)
		if !strings.Contains(said, want) {
			t.Errorf("%s: said\n%s, want %s", line, said, want)
		}
	}
	for _, line := range []string{"search model --text a --model nowhere --vocab no", "info --model=--json", "info --model --nowhere", "info -m --nowhere"} {
		if _, said := must(t, exitFailed, strings.Fields(line)...); !strings.Contains(said, "no such file") {
			t.Errorf("%s: said\n%s", line, said)
		}
	}
}

// TestNamesOfInputs holds that no flag is called after what wrote the file that it reads.
func TestNamesOfInputs(t *testing.T) {
	for _, cmd := range everyCommand() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if strings.HasSuffix(f.Name, "save-path") && !f.Hidden && (strings.Contains(f.Usage, " wrote") || strings.Contains(f.Usage, "to read")) {
				t.Errorf("%s: --%s is an input: %s", cmd.Name(), f.Name, f.Usage)
			}
		})
	}
	for line, want := range map[string]string{
		"svd --collect_save_path s":                         "scores",
		"polysemanticity --collect-save-path s":             "scores",
		"sparse --collect-save-path s":                      "svd-scores",
		"describe --collect-save-path s":                    "svd-scores",
		"score --collect-save-path s":                       "svd-scores",
		"sparse --decomposition-save-path s":                "decomposition-save-path",
		"reconstruct --decomposition_save_path s":           "codes",
		"explain --decomposition-save-path s -- photo.jpeg": "codes",
	} {
		root := newRootCommand(new(globalOptions))
		cmd, rest, err := root.Find(strings.Fields(line))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil || !cmd.Flags().Changed(want) {
			t.Errorf("%s: %v, want --%s", line, err, want)
		}
	}
}
