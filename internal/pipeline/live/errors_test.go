package live

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMistakes: what cannot be asked is an error that says why, and none of those that stand
// for a fault.
func TestMistakes(t *testing.T) {
	l := opened(t, theWorld(t).options())
	photo, err := os.ReadFile(l.items[l.ledger.Names[0]].Path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, here, far := t.Context(), 0, 100
	many := strings.Split(strings.Repeat("a,", maxTexts)+"a", ",")
	image := func(n int, q Question) func() error {
		return func() error { _, err := l.Image(ctx, n, q); return err }
	}
	toggle := func(r ToggleRequest) func() error {
		return func() error { _, err := l.Toggle(ctx, r); return err }
	}
	seg := func(classes ...string) func() error {
		return func() error { _, err := l.Segment(ctx, "image", photo, SegmentQuestion{Classes: classes}); return err }
	}
	for _, test := range []struct {
		name string
		ask  func() error
		want string
		kind error
	}{
		{"no text", func() error { _, err := l.Text(ctx, " \n"); return err }, "empty, want a text", nil},
		{"long text", func() error { _, err := l.Text(ctx, strings.Repeat("a", maxText+1)); return err }, "1001 bytes, want at most 1000", nil},
		{"no UTF-8", func() error { _, err := l.Text(ctx, "\xff"); return err }, "not UTF-8 text", nil},
		{"no such image", image(100, Question{}), "image 100: want 0 to 99", ErrUnknown},
		{"image below 0", image(-1, Question{}), "image -1: want 0 to 99", ErrUnknown},
		{"many classes", image(0, Question{Classes: many}), "number of classes 65, want 2 to 64", nil},
		{"one class of an image", image(0, Question{Classes: []string{"a"}}), "number of classes 1, want 2 to 64", nil},
		{"classes that are equal to the model", image(0, Question{Classes: []string{"Car", "boat", "car"}}), `classes "Car" and "car" have equal embeddings`, nil},
		{"a class twice", image(0, Question{Classes: []string{"a", "b", "a"}}), `class "a" is given twice`, nil},
		{"an empty class", image(0, Question{Classes: []string{"a", ""}}), "class: empty", nil},
		{"another class", image(0, Question{Classes: []string{"a", "b"}, Class: "c"}), `"c": not among the 2`, nil},
		{"versus alone", image(0, Question{Versus: "a"}), "versus needs class", nil},
		{"list", image(0, Question{List: 101}), "101 units", nil},
		{"maps", image(0, Question{Maps: -1}), "-1 maps", nil},
		{"by", image(0, Question{By: "half"}), `by "half": want mean or zero`, nil},
		{"unit", image(0, Question{Off: []string{"h99n0"}}), `unit "h99n0"`, nil},
		{"toggled unit", toggle(ToggleRequest{Off: []string{"<b>"}}), `unit "<b>"`, nil},
		{"toggled by", toggle(ToggleRequest{By: "x"}), `by "x"`, nil},
		{"toggled image", toggle(ToggleRequest{Image: &far}), "image 100", ErrUnknown},
		{"toggled classes", toggle(ToggleRequest{Image: &here, Classes: []string{"a", "a"}}), "given twice", nil},
		{"unit of an image", func() error { _, err := l.Drop(ctx, "image", photo, "n7", Question{}); return err }, `unit "n7": want a pair`, nil},
		{"no image", func() error { _, err := l.Drop(ctx, "image", []byte("GIF89a"), "", Question{}); return err }, "read image: image: gif", nil},
		{"scores of a neuron", func() error { _, err := l.Scores(ctx, "n7"); return err }, `unit "n7": want a pair`, nil},
		{"one class", seg("a"), "number of classes 1, want 2 to 64", nil},
		{"an empty word", seg("a|", "b"), "class: empty", nil},
		{"a word twice", seg("a|b", "b"), `class "b" is given twice`, nil},
		{"many words", seg(strings.Join(strings.Split("a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z 0 1 2 3 4 5 6 7 8 9 aa bb cc", " "), "|"), "zz"), "66 words, want at most 64", nil},
		{"segmented image", func() error {
			_, err := l.SegmentImage(ctx, 100, SegmentQuestion{Classes: []string{"a", "b"}})
			return err
		}, "image 100", ErrUnknown},
	} {
		err := test.ask()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		for _, kind := range []error{ErrOff, ErrLoading, ErrBusy, ErrUnknown, ErrInternal} {
			if errors.Is(err, kind) != (kind == test.kind) {
				t.Errorf("%s: %v is %v", test.name, err, kind)
			}
		}
	}
}

// TestOff: without an input, what needs it is off and says what would switch it on; the rest
// works. Other weights, images and vocabularies are not used, or refused if asked for.
func TestOff(t *testing.T) {
	w := theWorld(t)
	empty := t.TempDir()
	for _, test := range []struct {
		name   string
		of     Input
		change func(o *Options)
		off    string // first letters of parts
		want   string
	}{
		{"nothing", Scores, func(o *Options) { *o = Options{Threads: 1} }, "text image drop toggle segment scores", "give {model}"},
		{"no model", Model, func(o *Options) { o.ModelPath = "" }, "text image drop segment", "give {model}"},
		{"no model and no vocabulary", Model, func(o *Options) { o.ModelPath, o.Vocab, o.PCsPath = "", "", "" }, "text image drop segment", "give {model}, {vocab} and {pcs-path}\n"},
		{"no model for a vocabulary", Model, func(o *Options) { o.ModelPath, o.PCsPath = "", "" }, "text image drop segment", "give {model} and {pcs-path}\n"},
		{"another model and no vocabulary", Model, func(o *Options) { o.ModelPath, o.Vocab = testutil.Golden("model/tiny_jit.pt"), "" }, "text image drop segment", "; give {vocab}\n"},
		{"no vocabulary", Vocab, func(o *Options) { o.Vocab = "" }, "text segment", "give {vocab}"},
		{"no scores", Scores, func(o *Options) { o.ScoresPath = "" }, "image toggle scores", "give {scores}"},
		{"no images", Images, func(o *Options) { o.Data.Path = "" }, "image", "give {data-path}"},
		{"no classes", Classes, func(o *Options) { o.ClassesPath = "" }, "", "give {imagenet-zeroshot-path}"},
		{"no components", Components, func(o *Options) { o.PCsPath = "" }, "segment", "give {pcs-path}"},
		{"another model", Model, func(o *Options) { o.ModelPath = testutil.Golden("model/tiny_jit.pt") }, "text image drop segment", "this run uses"},
		{"another report's model", Model, func(o *Options) { o.Weights = origin.Origin{Weights: strings.Repeat("a", 64)} }, "text image drop segment", "the report: made with other weights than this run uses ("},
		{"another vocabulary", Vocab, func(o *Options) { o.Vocab = asset(demo.Templates) }, "text segment", "templates.txt"},
		{"other images", Images, func(o *Options) { o.Data = dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")} }, "image", "this run uses"},
		{"other classes", Classes, func(o *Options) { o.ClassesPath = testutil.Golden("text/words.npy") }, "", "words.npy"},
		{"an empty folder", Scores, func(o *Options) { o.ScoresPath = empty }, "image toggle scores", empty},
		{"other components", Components, func(o *Options) { o.PCsPath = testutil.Golden("pc0_nh.npy") }, "segment", "pc0_nh.npy"},
	} {
		o := w.options()
		test.change(&o)
		l := opened(t, o)
		s := l.Status()
		var reasons string
		for name, part := range map[string]Ability{"text": s.Text, "image": s.Image, "drop": s.Drop, "toggle": s.Toggle, "segment": s.Segment, "scores": s.Scores} {
			if off := strings.Contains(test.off, name); part.On == off || off && part.Reason == "" || part.Loading {
				t.Errorf("%s: %s: %+v", test.name, name, part)
			}
			reasons += part.Reason + "\n"
		}
		if !strings.Contains(reasons, test.want) {
			t.Errorf("%s: %s, want %q", test.name, reasons, test.want)
		}
		if _, err := l.Text(t.Context(), "a"); errors.Is(err, ErrOff) == s.Text.On {
			t.Errorf("%s: text: %v", test.name, err)
		}
		if _, err := l.Image(t.Context(), 0, Question{Classes: []string{"a", "b"}}); errors.Is(err, ErrOff) == (s.Image.On && s.Text.On) {
			t.Errorf("%s: image: %v", test.name, err)
		}
		if o.ModelPath != "" && !s.Text.On && test.of == Model {
			o.Given = map[Input]bool{Model: true}
			if l, err := Open(t.Context(), o, pipelinetest.Silent()); err == nil || !errors.Is(err, cache.ErrStale) {
				l.Close()
				t.Errorf("%s, asked for: %v", test.name, err)
			}
		}
		if o.ClassesPath != "" && test.of == Classes {
			o.Given = map[Input]bool{Classes: true}
			l, err := Open(t.Context(), o, pipelinetest.Silent())
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Load(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, asked for: %v", test.name, err)
			}
			l.Close()
		}
	}
}

// TestOnlyText: without scores, a text has pairs and no images.
func TestOnlyText(t *testing.T) {
	o := theWorld(t).options()
	o.ScoresPath = ""
	l := opened(t, o)
	a, err := l.Text(t.Context(), "yellow")
	if err != nil || len(a.Pairs) != nearest || len(a.Images) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	data, err := os.ReadFile(filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(t)[0]))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := l.Drop(t.Context(), "image", data, "", Question{Classes: []string{"a", "b"}}); err != nil || d.Unit != nil {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := l.Drop(t.Context(), "image", data, "h3n149", Question{Classes: []string{"a", "b"}}); !errors.Is(err, ErrOff) {
		t.Errorf("a score among none: %v", err)
	}
	if _, err := l.Drop(t.Context(), "image", data, "", Question{}); err == nil || !strings.Contains(err.Error(), "no classes") {
		t.Errorf("no classes: %v", err)
	}
}

// TestLoading: before the scores are read, what needs them says so after a moment, and a
// client that goes is let go at once.
func TestLoading(t *testing.T) {
	l, err := Open(t.Context(), theWorld(t).options(), pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s := l.Status(); s.Toggle.On || !s.Toggle.Loading || !s.Image.Loading || !s.Text.On {
		t.Errorf("%+v", s)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := l.Toggle(ctx, ToggleRequest{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a client that went: %v", err)
	}
	if a, err := l.Text(t.Context(), "yellow"); err != nil || len(a.Images) != 0 {
		t.Errorf("text while the scores are read: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Load(gone); err != nil {
		t.Errorf("scores that were not asked for: %v", err)
	}
	if _, err := l.Toggle(t.Context(), ToggleRequest{}); !errors.Is(err, ErrOff) {
		t.Errorf("scores that were not read: %v", err)
	}
}

// TestGate: one request at a time, a bounded number waits, and one that goes leaves.
func TestGate(t *testing.T) {
	g := newGate(3)
	var inside, most atomic.Int64
	var all par.Group
	leave, err := g.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		all.Go(func() {
			leave, err := g.enter(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			time.Sleep(time.Millisecond)
			inside.Add(-1)
			leave()
		})
	}
	for g.waiting.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	if _, err := g.enter(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("a queue that is full: %v", err)
	}
	leave()
	all.Wait()
	if most.Load() != 1 || g.waiting.Load() != 0 {
		t.Errorf("%d at a time, %d still wait", most.Load(), g.waiting.Load())
	}
	leave, err = g.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := g.enter(ctx); !errors.Is(err, context.Canceled) || g.waiting.Load() != 1 {
		t.Errorf("a client that went: %v, %d wait", err, g.waiting.Load())
	}
	leave()
}

// TestRecent keeps the values that were used last.
func TestRecent(t *testing.T) {
	r := recent[string, int]{most: 2}
	r.put("a", 1)
	r.put("b", 2)
	r.get("a")
	r.put("c", 3)
	r.put("c", 4)
	if _, ok := r.get("b"); ok || len(r.kept) != 2 {
		t.Errorf("%+v", r.kept)
	}
	for key, want := range map[string]int{"a": 1, "c": 4} {
		if got, ok := r.get(key); !ok || got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
}
