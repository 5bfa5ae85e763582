package source

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/ui"
)

// CheckClasses returns an error unless embeddings are those of the classes that the
// labels of a data set count, in their order: as many, and of the same texts as far
// as both sides have names. Folders may be named by ids, which no text is like; then
// only the number is compared. A few names that differ are a warning.
func CheckClasses(ctx context.Context, r artefact.Reader, e *artefact.Embeddings, data dataset.Options, say ui.Reporter) error {
	classes, err := dataset.ClassesOf(ctx, data)
	if err != nil || classes == nil {
		return err
	}
	if n := len(classes.Names); n != e.Texts {
		err := fmt.Errorf("%s: embeddings of %d classes, but %s has %d: labels would not be their rows", e.Path, e.Texts, classes.Path, n)
		advice := "embed the names of its classes, in their order, with {lines} of \"clipnh embed\""
		if !classes.Table {
			advice = fmt.Sprintf("list all %d classes in classes.txt in {data-path}, a line \"FOLDER<TAB>NAME\" for each row of the embeddings, or %s", e.Texts, advice)
		}
		return hint.With(err, advice)
	}
	if !classes.Table && isPartOfImageNet(classes.Names) {
		say.Warn("%s: its classes are %d of ImageNet's 1000, and there is no classes.txt: label 0 is %s, the first id, which need not be row 0 of %s",
			classes.Path, len(classes.Names), foreign.Quote(classes.Names[0]), e.Path)
	}
	made := artefact.OriginOf(e.Artefact)
	if made.Texts == "" || made.Texts == cache.ListHash(classes.Names) {
		return nil
	}
	refused := func(why string) error {
		if err := r.Check(e.Artefact, artefact.Facts{}.Texts(classes.Names)); err != nil {
			return fmt.Errorf("%w (classes of %s%s)", err, classes.Path, why)
		}
		return nil
	}
	if made.TextList == nil {
		if classes.Table {
			return refused("")
		}
		return nil
	}
	c := compareNames(classes.Names, made.TextList)
	switch {
	case c.moved >= 0:
		return refused(fmt.Sprintf("; %s has label %d and row %d", foreign.Quote(classes.Names[c.moved]), c.moved, c.movedTo))
	case c.same == 0 && !classes.Table:
		return nil
	case c.same < len(classes.Names)*mostlySame/100:
		return refused(fmt.Sprintf("; label %d is %s there, %s here", c.first, foreign.Quote(classes.Names[c.first]), foreign.Quote(made.TextList[c.first])))
	case c.first >= 0:
		say.Warn("%s: %d of %d class names differ from those of %s, such as label %d: %s here, %s there", e.Path, len(classes.Names)-c.same, len(classes.Names),
			classes.Path, c.first, foreign.Quote(made.TextList[c.first]), foreign.Quote(classes.Names[c.first]))
	}
	return nil
}

// isPartOfImageNet reports whether classes are named by WordNet ids, as ImageNet's are,
// and are not all of them, so that the place of an id among them is not its index.
func isPartOfImageNet(names []string) bool {
	const all = 1000
	return len(names) != all && !slices.ContainsFunc(names, func(name string) bool { return !wordNetID.MatchString(name) })
}

var wordNetID = regexp.MustCompile(`^n[0-9]{8}$`)

// mostlySame is how many percent of the classes must have the name of their row for
// the others to be taken for other names of the same classes.
const mostlySame = 90

// comparedNames is how the names of classes and the texts of rows compare.
type comparedNames struct {
	same           int // that are alike
	first          int // label whose row has another text; -1: none
	moved, movedTo int // label whose name is the text of another row only, and that row; -1: none
}

func compareNames(names, texts []string) comparedNames {
	rows := make(map[string]int, len(texts))
	for i := range texts {
		rows[dataset.PlainName(texts[i])] = i
	}
	c := comparedNames{first: -1, moved: -1}
	for i, name := range names {
		if dataset.PlainName(name) == dataset.PlainName(texts[i]) {
			c.same++
			continue
		}
		if c.first < 0 {
			c.first = i
		}
		if row, ok := rows[dataset.PlainName(name)]; ok && c.moved < 0 {
			c.moved, c.movedTo = i, row
		}
	}
	return c
}
