package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/trend"
)

// reason is why an input is not there; empty if it is.
func (l *common) reason(of Input) string {
	if why := l.missing(of); why != nil {
		return why.Error()
	}
	return ""
}

// missing is reason as an error; nil if the input is there.
func (l *common) missing(of Input) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why[of]
}

func (l *common) because(of Input, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why[of] = why
}

// notGiven is why inputs are not there that nobody named, by the options that name them.
type notGiven []string

func (n notGiven) Error() string {
	last := len(n) - 1
	if last == 0 {
		return "give " + n[0]
	}
	return "give " + strings.Join(n[:last], ", ") + " and " + n[last]
}

// off says why what needs some inputs does not work, by all that are not there.
func (l *common) off(inputs ...Input) error {
	var reasons []string
	var options notGiven
	add := func(list []string, text string) []string {
		if slices.Contains(list, text) {
			return list
		}
		return append(list, text)
	}
	for _, of := range inputs {
		why := l.missing(of)
		var asked notGiven
		switch {
		case why == nil:
		case errors.As(why, &asked):
			for _, option := range asked {
				options = add(options, option)
			}
		default:
			reasons = add(reasons, why.Error())
		}
	}
	switch {
	case options == nil && reasons == nil:
		return nil
	case reasons == nil:
		return because(ErrOff, options)
	case options != nil:
		reasons = append(reasons, options.Error())
	}
	return because(ErrOff, errors.New(strings.Join(reasons, "; ")))
}

// need waits until some inputs are there: scores are read, and packed says that the tower
// must be ready too.
func (l *common) need(ctx context.Context, packed bool, inputs ...Input) error {
	if err := l.off(inputs...); err != nil {
		return err
	}
	for _, of := range inputs {
		if of == Scores {
			if err := wait(ctx, l.read, l.reading()); err != nil {
				return err
			}
		}
	}
	if packed {
		if err := wait(ctx, l.packed, packing); err != nil {
			return err
		}
	}
	return l.off(inputs...)
}

func closed(ready <-chan struct{}) bool {
	select {
	case <-ready:
		return true
	default:
		return false
	}
}

// wait waits until what is being read is there.
func wait(ctx context.Context, ready <-chan struct{}, what string) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-timer.C:
		return because(ErrLoading, fmt.Errorf("%s: try again in a moment", what))
	case <-ctx.Done():
		return ctx.Err()
	}
}

const packing = "the model is still being prepared"

func (l *common) reading() string {
	if l.kind == artefact.KindHeads {
		return "the heads are still being read"
	}
	return "the scores are still being read"
}

// checkText returns an error unless a text can be embedded.
func checkText(what, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s: empty, want a text", what)
	case len(text) > maxText:
		return fmt.Errorf("%s: %d bytes, want at most %d", what, len(text), maxText)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s: not UTF-8 text", what)
	}
	return nil
}

// embed returns unit vectors of texts, [texts,O]. The tower's gate is the caller's.
func (l *common) embed(ctx context.Context, texts []string) ([]float32, error) {
	O := l.model.Config.OutDim
	rows, missing := make([]float32, len(texts)*O), []string(nil)
	for i, text := range texts {
		known, ok := l.texts.get(text)
		if !ok && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
		copy(rows[i*O:], known.row)
	}
	if len(missing) == 0 {
		return rows, nil
	}
	l.encoder.Cut = nil // of earlier requests
	made, err := l.encoder.Embed(ctx, missing, l.o.Templates, func(int) {})
	if err != nil {
		return nil, err
	}
	for i, text := range missing {
		e := embedded{row: made[i*O : (i+1)*O]}
		for _, c := range l.encoder.Cut {
			if c.Text == text {
				e.lost = c.Lost
			}
		}
		l.texts.put(text, e)
		for j, t := range texts {
			if t == text {
				copy(rows[j*O:], e.row)
			}
		}
	}
	return rows, nil
}

// embedOne is the unit vector of a text [O], and how many of its tokens the model did not see.
// The tower's gate is the caller's.
func (l *common) embedOne(ctx context.Context, text string) (row []float32, lost int, err error) {
	row, err = l.embed(ctx, []string{text})
	known, _ := l.texts.get(text)
	return row, known.lost, err
}

// embedded is a text's unit vector [O], and how many of its tokens the model did not see.
type embedded struct {
	row  []float32
	lost int
}

// file reads the file of an image of the collection. One that has changed is refused, as
// all else that is shown of it is of what it was.
func (l *common) file(image int) (*imageprep.File, error) {
	return l.fileOf(l.judged.Names[image], false)
}

// fileOf reads the file of the image of a name. One that has changed is refused, unless it is
// wanted as it is now.
func (l *common) fileOf(name string, changed bool) (*imageprep.File, error) {
	item := l.items[name]
	if item == nil {
		return nil, because(ErrUnknown, fmt.Errorf("image %s is not in %s", name, l.o.Data.Shown()))
	}
	file, err := item.Load()
	if err != nil {
		return nil, because(ErrInternal, err)
	}
	if !changed {
		if err := l.recorded.Compare(name, file); err != nil {
			return nil, because(ErrChanged, err)
		}
	}
	return file, nil
}

// classes returns the classes of a question and their embeddings. The tower's gate is the
// caller's.
func (l *common) classes(ctx context.Context, named []string) ([]string, []float32, error) {
	if len(named) > 0 {
		if err := l.off(Model, Vocab); err != nil {
			return nil, nil, fmt.Errorf("classes: %w", err)
		}
		rows, err := l.embed(ctx, named)
		if err != nil {
			return nil, nil, err
		}
		if equal := model.Equal(rows, len(named)); len(equal) > 0 {
			return nil, nil, fmt.Errorf("classes %q and %q have equal embeddings: the model does not tell them apart", named[equal[0][0]], named[equal[0][1]])
		}
		return named, rows, nil
	}
	if closed(l.read) && l.judged != nil {
		if names, rows := l.judged.Classes(); names != nil {
			return names, rows, nil
		}
	}
	return nil, nil, errors.New("no classes: name some")
}

// pass is what the tower makes of an image of the collection. The tower's gate is the
// caller's.
func (l *common) pass(image int) (*explain.Pass, error) {
	if p, ok := l.passes.get(image); ok {
		return p, nil
	}
	file, err := l.file(image)
	if err != nil {
		return nil, err
	}
	p, err := l.session.Look(l.judged.Names[image], file)
	if err != nil {
		return nil, because(ErrInternal, err)
	}
	l.passes.put(image, p)
	return p, nil
}

// checkImage returns an error unless the collection has an image.
func (l *common) checkImage(image int) error {
	if n := len(l.judged.Names); image < 0 || image >= n {
		return because(ErrUnknown, fmt.Errorf("image %d: want 0 to %d", image, n-1))
	}
	return nil
}

// nearImages is what the collection's images say of the text with a vector [O]: the nearest of
// them, and means of groups.
func (l *common) nearImages(row []float32) (near []report.NearImage, means []report.GroupMean) {
	O, images := len(row), len(l.judged.Names)
	cosines := make([]float64, images)
	l.team.For(images, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			f := l.judged.Features[i*O : (i+1)*O]
			sum := 0.0
			for o, x := range f {
				sum += float64(x) * float64(row[o])
			}
			if n := decomp.Norm(f); n > 0 {
				cosines[i] = sum / n
			}
		}
	})
	order := make([]int, images)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cosines[b], cosines[a]) })
	for _, i := range order[:min(nearest, images)] {
		near = append(near, report.NearImage{Image: i, Cosine: cosines[i]})
	}
	names, of := l.judged.Groups()
	if names != nil {
		groups := make([]string, images)
		for i, g := range of {
			if g >= 0 {
				groups[i] = names[g]
			}
		}
		for _, g := range trend.ByGroup(groups, cosines, make([]bool, images)) {
			means = append(means, report.GroupMean{Group: g.Name, Mean: g.Mean, Images: g.N})
		}
	}
	return near, means
}
