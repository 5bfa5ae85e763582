package paper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A bench runs two steps, the second on the output of the first, with fake commands.
type bench struct {
	t      *testing.T
	dir    string
	runner *Runner
	steps  []Step
	ran    []string // command lines that were executed
	fail   error    // returned by the next command
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir()}
	b.write("data/a", "one")
	b.write("data/b", "two")
	b.steps = []Step{
		{Name: "first", Args: []string{"copy", b.path("model")}, Inputs: []string{b.path("model"), b.path("data")}, Outputs: []string{b.path("out")}},
		{Name: "second", Args: []string{"measure"}, After: []string{"first"}},
	}
	b.write("model", "weights")
	b.restart()
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, content string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o777); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), []byte(content), 0o666); err != nil {
		b.t.Fatal(err)
	}
}

// restart simulates a new process, which knows only what is on disk.
func (b *bench) restart() {
	skipped := errors.New("skipped")
	b.ran = nil
	b.runner = &Runner{
		Dir: b.path("paper"), Program: "test", Now: time.Now,
		Skipped: func(err error) bool { return errors.Is(err, skipped) },
		Exec: func(_ context.Context, args []string) ([]byte, error) {
			if b.fail != nil {
				return nil, b.fail
			}
			b.ran = append(b.ran, strings.Join(args, " "))
			if args[0] == "copy" {
				content, err := os.ReadFile(args[1])
				if err != nil {
					return nil, err
				}
				b.write("out", string(content))
				return []byte("{\n \"copied\": 1\n}\n"), fmt.Errorf("%w 1 of 2", skipped)
			}
			return []byte(`{"top1": 0.5}`), nil
		},
	}
}

// run runs both steps and checks how many were executed.
func (b *bench) run(why string, want int) {
	b.t.Helper()
	b.restart()
	executed := 0
	for _, s := range b.steps {
		rec, did, err := b.runner.Run(context.Background(), s)
		if err != nil {
			b.t.Fatalf("%s: %v", why, err)
		}
		if did {
			executed++
		}
		if s.Name == "first" && (string(rec.Result) != `{"copied":1}` || rec.Skipped != "skipped 1 of 2") {
			b.t.Errorf("%s: record %+v", why, rec)
		}
		if s.Name == "second" && string(rec.Result) != `{"top1":0.5}` {
			b.t.Errorf("%s: record %+v", why, rec)
		}
	}
	if executed != want || len(b.ran) != want {
		b.t.Errorf("%s: %d steps executed (%v), want %d", why, executed, b.ran, want)
	}
}

// TestRun checks that a step is executed if it has not run before, or if its command
// line, its inputs or its outputs have changed, and not otherwise.
func TestRun(t *testing.T) {
	b := newBench(t)
	b.run("the first time", 2)
	b.run("again", 0)
	b.write("model", "weight2")
	b.run("another model", 2)
	b.write("data/c", "three")
	b.run("one more image, which changes no output", 1)
	b.write("out", "something else")
	b.run("an output was changed; the step writes the same one again", 1)
	if err := os.Remove(b.path("out")); err != nil {
		t.Fatal(err)
	}
	b.run("an output was removed", 1)
	b.steps[1].Args = []string{"measure", "--more"}
	b.run("another command line", 1)
	b.write("paper/steps/second.json", "{")
	b.run("a broken record", 1)
	b.run("nothing changed", 0)
}

// TestRunFails checks that a failing step leaves the previous record, which is no
// longer valid, and that its error is returned.
func TestRunFails(t *testing.T) {
	b := newBench(t)
	b.run("the first time", 2)
	b.write("model", "weight2")
	b.restart()
	b.fail = errors.New("no room")
	if _, _, err := b.runner.Run(context.Background(), b.steps[0]); !errors.Is(err, b.fail) {
		t.Errorf("error %v, want %v", err, b.fail)
	}
	b.fail = nil
	b.run("after the failure", 2)
	b.steps[0].Inputs = append(b.steps[0].Inputs, b.path("none"))
	b.restart()
	if _, _, err := b.runner.Run(context.Background(), b.steps[0]); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("error %v, want one that names the input that is missing", err)
	}
}

func TestMarkdown(t *testing.T) {
	x := func(v float64) *float64 { return &v }
	r := Report{
		Program: "p", Model: "RN50", Weights: "0123456789abcdef", Data: "data",
		Rows: []Row{
			{Result: "Accuracy", Setting: "top-1", Value: 61.25, Unit: "%", Published: x(70.7), Expected: x(61.2), Step: "a"},
			{Result: "Shift", Setting: "yellow", Value: 0.5, Unit: "r", Step: "b"},
		},
		Figures: []Figure{{Result: "Shift", Title: "years", Path: "a b.png"}},
		Missing: []Missing{{Result: "Segmentation", Why: "VOC2010 is not there"}},
		Steps:   []Record{{Step: "a", Args: []string{"collect", "--model", "m.pt"}, Seconds: 1.26, Program: "p", Outputs: map[string]string{"s": "fedcba9876543210"}}},
	}
	got := r.markdown()
	for _, want := range []string{
		"Model RN50 (SHA-256 0123456789ab), data data.",
		"| top-1 | 61.2 % | 70.7 % | 61.2 % |\n",
		"| yellow | 0.500 r |  |  |\n\n![years](a%20b.png)\n",
		"- Segmentation: VOC2010 is not there\n",
		"**a**, 1.3 s, by p\n\n    clipnh collect --model m.pt\n    # fedcba987654 s\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
