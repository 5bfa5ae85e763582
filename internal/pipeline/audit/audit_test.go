package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

func run(t testing.TB, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The planted pair is found, first, with the r of its shares, and removing it closes the
// gap on the half that it was not chosen on.
func TestPlantedCue(t *testing.T) {
	c := plant(t, small)
	r := run(t, c.options(t))
	if r.Found < 1 || len(r.Pairs) != r.Found || r.Pairs[0].Index != small.cuePair || !r.Pairs[0].Widens {
		t.Fatalf("found %+v, want %s first", r.Pairs, unit.Pair(small.cuePair, small.neurons))
	}
	if r.Chosen < 1 || r.Untouched.Gap < 0.15 || r.After.Gap > 0.05 || r.After.Worst < 0.9 {
		t.Errorf("removed %d: gap %.3f before and %.3f after, worst group %.3f", r.Chosen, r.Untouched.Gap, r.After.Gap, r.After.Worst)
	}
	list, err := os.ReadFile(filepath.Join(r.Dir, listFile))
	if err != nil {
		t.Fatal(err)
	}
	chosen := strings.Fields(string(list))
	if len(chosen) != r.Chosen || chosen[0] != unit.Pair(small.cuePair, small.neurons) || len(r.Commands) != 1 || r.Commands[0] != "remove "+filepath.Join(r.Dir, listFile) {
		t.Errorf("commands %q for %q, want those for the %d chosen pairs", r.Commands, chosen, r.Chosen)
	}
	p := r.Pairs[0]
	if len(p.Fits) != 2 || p.P > 0.05 || p.R < 0.8 {
		t.Errorf("pair %+v, want r close to 1 in both labels", p)
	}
	for _, f := range p.Fits {
		if want := map[string]string{"ship": "water", "tram": "land"}[f.Label]; f.Group != want || f.Effect <= 0 {
			t.Errorf("label %s: %s is ahead by %g, want %s", f.Label, f.Group, f.Effect, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.Dir, pageFile))
	if err != nil || !strings.Contains(string(text), "| "+p.Unit+" | +") || !strings.Contains(string(text), strings.Join(r.Commands, "\n")) {
		t.Errorf("page %v\n%s", err, text)
	}
	var document struct{ Audit Result }
	text, err = os.ReadFile(filepath.Join(r.Dir, jsonFile))
	if err := errors.Join(err, json.Unmarshal(text, &document)); err != nil || document.Audit.Found != r.Found {
		t.Errorf("%v: %d pairs in JSON, want %d", err, document.Audit.Found, r.Found)
	}
	if bytes.Contains(text, []byte(`"dir"`)) {
		t.Error("the JSON has a folder, which may be moved")
	}
	if _, err := os.Stat(filepath.Join(r.Dir, curveFile)); err != nil {
		t.Error(err)
	}
}

// What the audit says of a pair is what its parts of the logits say, and what it says
// of a removal is what mean ablation does.
func TestPartsAndAblation(t *testing.T) {
	c := plant(t, small)
	r := run(t, c.options(t))
	pairs, O, team := small.heads*small.neurons, small.outDim, par.NewTeam(1)
	texts := [][]float32{make([]float32, O), make([]float32, O)}
	texts[0][0], texts[1][1] = 1, 1
	targets := []*attribution.Target{
		attribution.NewTarget(c.ov, attribution.Difference(texts[0], texts[1]), team),
		attribution.NewTarget(c.ov, attribution.Difference(texts[1], texts[0]), team),
	}
	// Halves are not told, so effects are compared in a collection where all images are
	// in both: each is there twice, as the halves of a pair of twins would be.
	features := make([]float32, len(c.names)*O)
	c.ov.Features(features, make([]float32, len(c.names)*small.neurons), c.rows, len(c.names), team)
	parts, effect := make([]float64, pairs), 0.0
	for i := range c.names {
		label := slices.Index(classNames, c.label[i])
		factor, _ := attribution.Factor(features[i*O : (i+1)*O])
		attribution.Parts(targets[label], parts, c.rows[i*pairs:(i+1)*pairs], factor)
		if ahead := []string{"water", "land"}[label]; c.group[i] == ahead {
			effect += parts[small.cuePair] / float64(small.images) / 2
		} else {
			effect -= parts[small.cuePair] / float64(small.images) / 2
		}
	}
	if got := r.Pairs[0].Effect; math.Abs(got-effect) > 0.15*effect {
		t.Errorf("effect %g on one half, %g on all images", got, effect)
	}
	kept := make([]bool, pairs)
	for u := range kept {
		kept[u] = true
	}
	for _, p := range r.Pairs[:r.Chosen] {
		kept[p.Index] = false
	}
	a, means := decomp.NewAblation(kept, O), make([]float32, pairs*O)
	v := c.ov.AllDirections(team)
	for u := range pairs {
		mean := 0.0
		for i := range c.names {
			mean += float64(c.rows[i*pairs+u]) / float64(len(c.names))
		}
		for o := range O {
			means[u*O+o] = float32(mean*float64(v[u*O+o])) + c.ov.Bias[u/small.neurons*O+o]
		}
	}
	a.AddMeans(0, means)
	values, masked := make([]float32, len(c.names)*small.neurons), make([]float32, len(c.rows))
	c.ov.AblatedFeatures(features, values, masked, c.rows, len(c.names), a, team)
	correct := 0
	for i := range c.names {
		if f := features[i*O:]; (f[0] >= f[1]) == (c.label[i] == classNames[0]) {
			correct++
		}
	}
	point := r.Curve[slices.IndexFunc(r.Curve, func(p Point) bool { return p.Removed == r.Chosen })]
	got := point.Mean*float64(r.Half[measuring]) + point.Choosing.Mean*float64(r.Half[choosing])
	if math.Round(got) != float64(correct) {
		t.Errorf("%g images are right without the pairs, but %d by mean ablation", got, correct)
	}
}

// r of a pair is the point-biserial correlation of its shares in the choosing half.
func TestRIsPointBiserial(t *testing.T) {
	c := plant(t, small)
	o := c.options(t)
	r := run(t, o)
	o.Dir, o.Threads = filepath.Join(t.TempDir(), "audit"), 7
	again := run(t, o)
	for i, p := range r.Pairs {
		if p.R != again.Pairs[i].R || p.P != again.Pairs[i].P {
			t.Errorf("%s: r %g, P %g; with other threads %g, %g", p.Unit, p.R, p.P, again.Pairs[i].R, again.Pairs[i].P)
		}
		if math.Abs(p.R) > 1 || p.P < 1.0/200 || p.P > 1 {
			t.Errorf("%s: r %g, P %g", p.Unit, p.R, p.P)
		}
		if _, alone := trend.Significance(p.R, r.Half[choosing]/2); math.Log10(p.P) < alone {
			t.Errorf("%s: corrected P %g is below its own, 10^%g", p.Unit, p.P, alone)
		}
	}
	for _, file := range []string{pageFile, jsonFile, curveFile} {
		one, err := os.ReadFile(filepath.Join(r.Dir, file))
		two, err2 := os.ReadFile(filepath.Join(again.Dir, file))
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(bytes.ReplaceAll(one, []byte(r.Dir), nil), bytes.ReplaceAll(two, []byte(again.Dir), nil)) {
			t.Errorf("%s: %v: other bytes with other threads", file, err)
		}
	}
}

// Without a cue, the share of audits that find a pair is at most the level.
func TestFalsePositives(t *testing.T) {
	const draws = 200
	found := 0
	for seed := range uint64(draws) {
		p := small
		p.cue, p.images, p.seed = 0, 16, 1000+seed
		c := plant(t, p)
		o := c.options(t)
		o.Seed, o.Permutations = seed, 99
		if r := run(t, o); r.Found > 0 {
			found++
		}
	}
	rate := float64(found) / draws
	t.Logf("%d of %d draws without a cue find a pair: %.3f, at a level of 0.05", found, draws, rate)
	if rate > 0.05 {
		t.Errorf("%.3f of draws without a cue find a pair, want at most 0.05", rate)
	}
}

// Mistakes in labels are one line each, and nothing is written.
func TestMistakes(t *testing.T) {
	p := small
	p.images = 4
	c := plant(t, p)
	table := func(change func(rows [][]string) [][]string) string {
		rows := [][]string{{"image", "label", "group"}}
		for i, name := range c.names {
			rows = append(rows, []string{name, c.label[i], c.group[i]})
		}
		path := filepath.Join(t.TempDir(), "labels.csv")
		writeTable(t, path, change(rows))
		return path
	}
	tests := []struct {
		name, want, hint string
		change           func(rows [][]string) [][]string
	}{
		{"missing images", `not in SCORES, 2 of 18 images: "a.png", "b.png"`, "", func(rows [][]string) [][]string {
			return append(rows, []string{"a.png", "ship", "land"}, []string{"b.png", "ship", "land"})
		}},
		{"another folder", `not in SCORES, 1 of 16 images: "elsewhere/`, "the folders of a row must be those of its image, and elsewhere/", func(rows [][]string) [][]string {
			rows[1][0] = "elsewhere/" + filepath.Base(rows[1][0])
			return rows
		}},
		{"a group of one", `group "sky" of label "ship" has 1 image, want 2 or more`, "leave its image out", func(rows [][]string) [][]string {
			rows[1][2] = "sky"
			return rows
		}},
		{"no class", `label "boat" of image ship/land/001.png is not among the 2 {classes}: "ship", "tram"`, "", func(rows [][]string) [][]string {
			rows[2][1] = "boat"
			return rows
		}},
		{"one group", "no label has images of two groups", "", func(rows [][]string) [][]string {
			for _, r := range rows[1:] {
				r[2] = "land"
			}
			return rows
		}},
		{"too many permutations", `label "ship" has 2 groups and 4 images to permute 268435456 times, which is too much`, "give fewer", func(rows [][]string) [][]string { return rows }},
		{"no group", `line 3: column "group": empty, want a text`, "", func(rows [][]string) [][]string {
			rows[2][2] = ""
			return rows
		}},
	}
	for _, test := range tests {
		o := c.options(t)
		if o.LabelsPath = table(test.change); test.name == "too many permutations" {
			o.Permutations = 1 << 28
		}
		_, err := Run(context.Background(), o, silent())
		want := o.LabelsPath + ": " + strings.ReplaceAll(test.want, "SCORES", c.scores)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", test.name, err, want)
			continue
		}
		var h interface{ Hint() string }
		if got := errors.As(err, &h); got != (test.hint != "") || got && !strings.HasPrefix(h.Hint(), test.hint) {
			t.Errorf("%s: hint %v, want %q", test.name, h, test.hint)
		}
		if _, err := os.Stat(o.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %s is there", test.name, o.Dir)
		}
	}
}

// Folders serve as a table does, and what others wrote is not replaced.
func TestFoldersAndReplacing(t *testing.T) {
	c := plant(t, small)
	o := c.options(t)
	r := run(t, o)
	folders := o
	folders.LabelsPath, folders.Dir = "", filepath.Join(t.TempDir(), "audit")
	if got := run(t, folders); got.Found != r.Found || got.Pairs[0].R != r.Pairs[0].R || got.After.Worst != r.After.Worst {
		t.Error("folders give another audit than the table")
	}
	for _, archive := range []string{"lg.zip!", "lg.tar!photos/", "shards/000.tar!", "a!b/photos.tar.gz!"} {
		names := make([]string, len(c.names))
		for i, name := range c.names {
			names[i] = archive + name
		}
		packed := folders
		packed.ScoresPath = pipelinetest.ScoresOf(t, c.ov, names, c.rows, origin.Origin{Model: "planted", Weights: strings.Repeat("a", 64)})
		packed.Dir = filepath.Join(t.TempDir(), "audit")
		if got := run(t, packed); got.Found != r.Found || got.Pairs[0].R != r.Pairs[0].R || got.After.Groups[0].Label != r.After.Groups[0].Label || got.After.Worst != r.After.Worst {
			t.Errorf("%s: folders give another audit than the table", archive)
		}
	}
	packed := folders
	packed.ScoresPath = pipelinetest.ScoresOf(t, c.ov, flattened(c.names), c.rows, origin.Origin{})
	if _, err := Run(context.Background(), packed, silent()); testutil.Line(err, "is not in folders LABEL/GROUP") != nil {
		t.Errorf("images in no group: error %v", err)
	}
	run(t, o) // replaces its own
	for _, file := range []string{listFile, curveFile, sheetFile, jsonFile, pageFile} {
		path := filepath.Join(o.Dir, file)
		if err := os.WriteFile(path, []byte("mine\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), o, silent()); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, want a refusal", file, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "mine\n" {
			t.Errorf("%s: %q, %v", file, text, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// flattened are names in an archive without the folders of groups.
func flattened(names []string) []string {
	flat := make([]string, len(names))
	for i, name := range names {
		label, rest, _ := strings.Cut(name, "/")
		flat[i] = "ship/lg.zip!" + label + "/" + strings.ReplaceAll(rest, "/", "-")
	}
	return flat
}

// TestImageOfSheetIsGone: an image that is not there costs the sheet, and nothing else.
func TestImageOfSheetIsGone(t *testing.T) {
	o := plant(t, small).options(t)
	o.Data = dataset.Options{Kind: dataset.Images, Path: t.TempDir()}
	if err := os.WriteFile(filepath.Join(o.Data.Path, "another.png"), []byte("image"), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), o, silent())
	if bad := testutil.Line(err, "is missing from the data set"); bad != nil || r == nil {
		t.Fatal(bad)
	}
	for file, want := range map[string]bool{pageFile: true, jsonFile: true, curveFile: true, listFile: true, sheetFile: false} {
		if _, err := os.Stat(filepath.Join(o.Dir, file)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %t", file, err, want)
		}
	}
}

// A report's folder, and one with files that no audit is beside, are refused; one that is
// empty, or has what a killed run left, or more files beside an audit, is not.
func TestFolders(t *testing.T) {
	const mark = `{"tool":"clipnh report"}`
	for _, test := range []struct {
		files map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{listFile: "h0n1\n", jsonFile: "{\"audit\": {\"model\": \"a\"}}\n"}, ""},
		{map[string]string{listFile: "h0n1\n"}, "already exists: a folder that holds removed.txt and no audit"},
		{map[string]string{neuronFile: "l2n1\n"}, "already exists: a folder that holds neurons.txt and no audit"},
		{map[string]string{pageFile: pageMark, "edited.pt": "weights"}, ""},
		{map[string]string{"a.jpg": "image"}, "already exists: a folder that holds a.jpg and no audit"},
		{map[string]string{"report.json": mark}, "already exists: a folder that holds a report"},
		{map[string]string{"report.json": mark, pageFile: pageMark}, "already exists: a folder that holds a report"},
	} {
		o := Options{Dir: t.TempDir()}
		for name, text := range test.files {
			if err := os.WriteFile(o.path(name), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		err := o.canWrite()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), test.want)) {
			t.Errorf("%v: %v, want %q", test.files, err, test.want)
		}
	}
}

func TestNextCount(t *testing.T) {
	n, got := 0, []int{}
	for range 8 {
		n = nextCount(n)
		got = append(got, n)
	}
	if want := []int{1, 2, 5, 10, 20, 50, 100, 200}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The list of an earlier audit, of which this one has none, is not removed without a word.
func TestEarlierList(t *testing.T) {
	var said strings.Builder
	a := &auditor{Options: Options{Dir: t.TempDir(), Store: new(cache.Store)}, say: ui.NewPrinter(new(strings.Builder), &said, time.Now)}
	for _, names := range [][]string{{"h0n1"}, nil, nil} {
		if err := a.saveList(listFile, names); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(a.path(listFile)); !os.IsNotExist(err) {
		t.Errorf("the list is there: %v", err)
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, a.path(listFile)+": removed") {
		t.Errorf("said %q, want one note of the list", got)
	}
}
