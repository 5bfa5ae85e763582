package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestBoundsOfDefaults compares the program's own values with the bounds of their flags, and
// looks for bounds of flags that no command has.
func TestBoundsOfDefaults(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	used := map[string]bool{}
	for _, cmd := range commandsBelow(root) {
		name := pathBelow(root, cmd)
		cmd.Flags().AddFlagSet(root.PersistentFlags())
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := boundsOf(name, f.Name); !ok || !strings.HasPrefix(f.Value.Type(), "int") {
				return
			}
			used[f.Name], used[name+" "+f.Name] = true, true
			n, err := strconv.ParseInt(f.DefValue, 10, 64)
			if err == nil {
				err = checkBounds(name, f.Name, n)
			}
			if err != nil {
				t.Errorf("%s --%s, by default %q: %v", name, f.Name, f.DefValue, err)
			}
		})
	}
	for flag := range flagBounds {
		if !used[flag] {
			t.Errorf("bounds of %s, which no command has", flag)
		}
	}
}

// TestConfigChecksBounds refuses a number that no command takes where it is shown, and not
// only where it is used.
func TestConfigChecksBounds(t *testing.T) {
	for lines, want := range map[string]string{
		"batch-size: 0":                       "clipnh.yaml:1: batch-size: 0, want 1 to 1024",
		"threads: -1":                         "clipnh.yaml:1: threads: -1, want 0 to 1024",
		"watch:\n  list: 0":                   "clipnh.yaml:2: list: 0, want 1 or more",
		"compare:\n  list: -1":                "clipnh.yaml:2: list: -1, want 0 or more",
		"data subset:\n  sample-stride: -1":   "clipnh.yaml:2: sample-stride: -1, want 0 or more",
		"collect:\n  max-pixels: 0":           "clipnh.yaml:2: max-pixels: 0, want 1 or more",
		"compare:\n  list: 0":                 "",
		"data subset:\n  sample-stride: 0":    "",
		"batch-size: 1024\nsample-stride: 99": "",
	} {
		inProject(t, strings.Split(lines, "\n")...)
		code, _, stderr := clipnh("config")
		if want == "" && code != 0 || want != "" && (code != exitUsage || !strings.HasPrefix(stderr, "error: config: "+want+"\n")) {
			t.Errorf("%q: status %d, %s; want %q", lines, code, stderr, want)
		}
	}
}

// TestConfigOfSomeCommands shows for which commands a value counts that not all of them take;
// a value of the environment stops those others.
func TestConfigOfSomeCommands(t *testing.T) {
	const aside = "data subset refuses it: \"cars\", want imagenet_test or images"
	for _, file := range []bool{false, true} {
		want := aside
		if file {
			inProject(t, "dataset: cars")
			want = strings.Replace(aside, "refuses", "does not take", 1)
		} else {
			inProject(t, "threads: 1")
			t.Setenv("CLIPNH_DATASET", "cars")
		}
		if code, stdout, stderr := clipnh("config"); code != 0 || !strings.Contains(stdout, want) || !strings.Contains(stdout, "cars ") {
			t.Errorf("status %d, %s%s; want it to show %q", code, stdout, stderr, want)
		}
		if code, stdout, stderr := clipnh("config", "data", "subset"); code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("status %d, %s%s; want it to show %q", code, stdout, stderr, want)
		}
		t.Setenv("CLIPNH_DATASET", "")
	}
	t.Setenv("CLIPNH_DATASET", "cars")
	if code, _, stderr := clipnh("data", "subset", "-d", "x", "-o", "y"); code != exitUsage || !strings.Contains(stderr, "CLIPNH_DATASET: \"cars\", want imagenet_test or images") {
		t.Errorf("status %d, %s; want an error about the variable", code, stderr)
	}
	if code, _, stderr := clipnh("data", "subset", "-d", "x", "-o", "y", "--dataset", "images"); code == exitUsage || strings.Contains(stderr, "CLIPNH_DATASET") {
		t.Errorf("status %d, %s; want no error about the variable, in place of which a value is given", code, stderr)
	}
	t.Setenv("CLIPNH_DATASET", "carts")
	if code, _, stderr := clipnh("config"); code != exitUsage || !strings.Contains(stderr, "CLIPNH_DATASET: \"carts\", want imagenet_test or imagenet_val") {
		t.Errorf("status %d, %s; want an error about a value that no command takes", code, stderr)
	}
}
