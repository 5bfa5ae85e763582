package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/report"
)

// maker is what drawings of the pairs say made them.
const maker = "clipnh audit"

// listed matches a line of a list of pairs, heads or neurons.
var listed = regexp.MustCompile(`^(?:(?:l\d+)?h\d+(?:n\d+)?|l\d+n\d+)$`)

func (o *Options) path(file string) string { return filepath.Join(o.Dir, file) }

// canWrite fails where the page would replace what another program, or another command,
// wrote. It makes no folder.
func (o *Options) canWrite() error {
	if info, err := os.Stat(o.Dir); err == nil && !info.IsDir() {
		return fmt.Errorf("{out} %s: a file, want a folder", o.Dir)
	}
	if err := source.WantOutside("{out}", o.Dir, o.Data, o.Paths...); err != nil {
		return err
	}
	if err := o.canFill(); err != nil {
		return err
	}
	isPage := func(f *os.File) (bool, error) {
		start := make([]byte, len(pageMark))
		_, err := io.ReadFull(f, start)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		return string(start) == pageMark, err
	}
	isSheet := func(*os.File) (bool, error) {
		made, err := figure.MakerOf(o.path(sheetFile))
		return made == maker, err
	}
	isList := func(f *os.File) (bool, error) {
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if !listed.MatchString(lines.Text()) {
				return false, nil
			}
		}
		return !errors.Is(lines.Err(), bufio.ErrTooLong), nil
	}
	if err := artefact.CanMakeFolders(o.path(pageFile)); err != nil {
		return err
	}
	return errors.Join(
		figure.CanReplace(o.path(listFile), "a list of pairs or heads", isList),
		figure.CanReplace(o.path(neuronFile), "a list of neurons", isList),
		figure.CanReplace(o.path(pageFile), "a page of clipnh audit", isPage),
		figure.CanWriteJSON(o.path(jsonFile), "a result of clipnh audit", func(first, second string) bool { return first == "audit" && second == "model" }),
		figure.CanDraw(o.path(curveFile), "audit"),
		figure.CanReplace(o.path(sheetFile), "a sheet of clipnh audit", isSheet))
}

// canFill fails where the folder is a report, or holds other files and no audit.
func (o *Options) canFill() error {
	refuse := func(what string) error {
		return hint.With(fmt.Errorf("{out} %s: %w: a folder that holds %s", o.Dir, cache.ErrExists, what), "give another folder, or one that is empty")
	}
	var mark report.Mark
	if data, err := foreign.ReadFile(o.path(report.MarkFile), report.MostMark); err == nil && json.Unmarshal(data, &mark) == nil && mark.Tool == report.Tool {
		return refuse("a report")
	}
	entries, err := os.ReadDir(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// Beside an audit there may be other files, such as the checkpoint that its commands make.
	// Lists of units say nothing of who wrote them: an audit has its result there before.
	own := []string{pageFile, jsonFile, curveFile, sheetFile}
	other := ""
	for _, e := range entries {
		name := e.Name()
		if name == pageFile || name == jsonFile {
			return nil
		}
		if of, ok := cache.TemporaryOf(name); ok { // of a run that was killed
			name = of
		}
		name = strings.TrimSuffix(strings.TrimSuffix(name, ".lock"), running) // of another run: who writes fails
		if other == "" && !slices.Contains(own, name) {
			other = e.Name()
		}
	}
	if other != "" {
		return refuse(foreign.Name(other) + " and no audit")
	}
	return nil
}

// commands fills in what makes the chosen checkpoint.
func (a *auditor) commands() {
	r := &a.result
	r.Commands = []string{}
	if r.Chosen == 0 {
		return
	}
	removed := Removed{List: a.path(listFile), Of: a.src.Origin}
	removed.Heads, removed.Layered = a.heads()
	if neurons := a.sharedNeurons(); neurons != nil {
		removed.List, removed.Neurons = a.path(neuronFile), true
	}
	if removed.Layered && !source.MeansTell(a.src.FirstOrder, a.subject.(*headsOf).means, a.tokens) {
		a.say.Note("%s", untold)
		removed.ByZero, r.ByZero = true, true
	}
	r.Commands = a.CommandLines(removed)
}

// sharedNeurons are the neurons of the chosen pairs, in the order of the pairs, where weights
// are those of all pairs of a neuron; nil where each pair has its own.
func (a *auditor) sharedNeurons() []string {
	if a.src.FirstOrder != nil || a.src.Units().Layers.Separable() {
		return nil
	}
	var names []string
	for _, p := range a.result.Pairs[:a.result.Chosen] {
		if name := a.src.NeuronUnits().Name(p.index % a.src.Neurons); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// heads are the chosen heads as an edit takes them, one layer at a time and the last one first,
// so that none of them reads what was edited before it; of an attention pool all at once. They
// are nil of pairs.
func (a *auditor) heads() (all [][]string, layered bool) {
	f := a.src.FirstOrder
	if f == nil {
		return nil, false
	}
	all = make([][]string, f.Layers)
	for _, p := range a.result.Pairs[:a.result.Chosen] {
		at := len(all) - 1 - p.index/f.LayerHeads
		all[at] = append(all[at], p.Unit)
	}
	return slices.DeleteFunc(all, func(names []string) bool { return len(names) == 0 }), !f.HeadLayers().Separable()
}

// saveList writes a list of units, one per line, or removes an earlier one where there are none.
func (a *auditor) saveList(file string, names []string) error {
	if len(names) == 0 {
		if _, err := os.Stat(a.path(file)); err == nil {
			a.say.Note("%s: removed, as this audit has no such list: it was that of an earlier one", a.path(file))
		}
		return a.Store.RemoveFile(a.path(file))
	}
	return a.Store.WriteFile(a.path(file), writing([]byte(strings.Join(names, "\n")+"\n")))
}

// running ends the name of the page where it stands for all files of an audit: its lock file keeps
// out other audits, whose files would be among this one's.
const running = ".run"

// write writes the page, after its figures. Nothing is begun before everything is known.
func (a *auditor) write(ctx context.Context) error {
	r := &a.result
	if err := ctx.Err(); err != nil {
		return err
	}
	sheet, err := a.sheet(ctx)
	if err != nil {
		return err
	}
	if err := artefact.MakeFolders(a.path(pageFile)); err != nil {
		return err
	}
	release, err := a.Store.LockArtefact(a.path(pageFile) + running)
	if err != nil {
		return err
	}
	defer release()
	r.Files = []string{a.path(pageFile), a.path(jsonFile)}
	if len(r.Curve) > 1 {
		r.Files = append(r.Files, a.path(curveFile))
		draw := func(w io.Writer, format plot.Format) error { return plot.Write(w, a.curve(), format) }
		if err := figure.DrawFigure(a.Store, a.path(curveFile), "audit", draw); err != nil {
			return err
		}
	} else if err := a.Store.RemoveFile(a.path(curveFile)); err != nil {
		return err
	}
	if sheet != nil {
		r.Files = append(r.Files, a.path(sheetFile))
		if err := a.Store.WriteFile(a.path(sheetFile), func(w io.Writer) error { return sheet.WritePNG(w, maker) }); err != nil {
			return err
		}
	} else if err := a.Store.RemoveFile(a.path(sheetFile)); err != nil {
		return err
	}
	var chosen []string
	for _, p := range r.Pairs[:r.Chosen] {
		chosen = append(chosen, p.Unit)
	}
	neurons := a.sharedNeurons()
	if len(chosen) > 0 {
		r.Files = append(r.Files, a.path(listFile))
	}
	if len(neurons) > 0 {
		r.Files = append(r.Files, a.path(neuronFile))
	}
	if r.Skipped == nil {
		r.Skipped = append(r.Skipped, cache.Skipped{})[:0]
	}
	document, err := json.MarshalIndent(map[string]*Result{"audit": r.inItsFolder()}, "", "  ")
	if err != nil {
		return err
	}
	if err := a.Store.WriteFile(a.path(jsonFile), writing(append(document, '\n'))); err != nil {
		return err
	}
	// After the result, without which a list is somebody else's; see canFill.
	if err := errors.Join(a.saveList(listFile, chosen), a.saveList(neuronFile, neurons)); err != nil {
		return err
	}
	_, layered := a.heads()
	p := &page{
		Result: r, labels: a.labelled(), words: a.Words != nil || a.spans != nil, named: a.Named, concepts: len(a.Options.Concepts) > 0,
		drawn: sheet != nil, sheets: a.Sheets, anyModel: a.Model == "", neurons: len(neurons), layered: layered,
	}
	var text bytes.Buffer
	p.write(&text)
	if err := a.Store.WriteFile(a.path(pageFile), writing(text.Bytes())); err != nil {
		return err
	}
	return a.undrawn
}

// inItsFolder is the result as the folder keeps it: its files have their names there, so
// that the same work in another folder has the same bytes.
func (r *Result) inItsFolder() *Result {
	kept := *r
	kept.Dir, kept.Files = "", nil
	for _, file := range r.Files {
		kept.Files = append(kept.Files, filepath.Base(file))
	}
	return &kept
}

func writing(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// curve is the figure of what is left.
func (a *auditor) curve() plot.Figure {
	worst, mean := plot.Curve{Name: "worst group"}, plot.Curve{Name: "mean"}
	for _, p := range a.result.Curve {
		x := float64(p.Removed)
		worst.X, worst.Y = append(worst.X, x), append(worst.Y, 100*p.Worst)
		mean.X, mean.Y = append(mean.X, x), append(mean.Y, 100*p.Mean)
	}
	f := plot.Figure{
		Title: a.result.say("Accuracy on the half that pairs were not chosen on"), X: a.result.say("pairs removed (logarithmic)"), Y: "accuracy (%)",
		Curves: []plot.Curve{worst, mean}, YRange: [2]float64{0, 100}, Counts: true,
	}
	if n := a.result.Chosen; n > 0 {
		f.Mark = plot.Mark{Name: fmt.Sprintf("chosen: %d", n), X: float64(n)}
	}
	return f
}
