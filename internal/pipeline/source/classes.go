package source

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// CheckClasses returns an error unless embeddings are those of the classes that the
// labels of a data set count, in their order: as many, and of the same texts as far
// as both sides have names. Folders may be named by ids, which no text is like; then
// only the number is compared, and a note tells. If no text is the name of a folder, but some contain one,
// as "a red fox" does, these must be in its row. A few names that differ are a warning,
// and so are texts that name no folder, equal embeddings, and embeddings that do not say of which texts they are.
func CheckClasses(ctx context.Context, r artefact.Reader, e *artefact.Embeddings, data dataset.Options, say ui.Reporter) error {
	made := artefact.OriginOf(e.Artefact)
	model.WarnOfEqual(e.Path, made.TextList, e.Rows, e.Texts, say)
	classes, err := dataset.ClassesOf(ctx, data)
	if err != nil || classes == nil {
		return err
	}
	if n := len(classes.Names); n != e.Texts {
		err := fmt.Errorf("%s: embeddings of %s, but %s has %d: a label would name another class's row", e.Path, quantity.Of(e.Texts, "class"), classes.Path, n)
		advice := "embed the names of its classes, in their order, with {lines} of \"clipnh embed\""
		if !classes.Table {
			advice = fmt.Sprintf("list all %s in classes.txt in {data-path}, a line \"FOLDER<TAB>NAME\" for each row of the embeddings, or %s", quantity.Of(e.Texts, "class"), advice)
		}
		return hint.With(err, advice)
	}
	warnOfImageNet(e.Path, classes, say)
	if made.Texts == cache.ListHash(classes.Names) {
		return nil
	}
	refused := func(why string) error {
		if err := r.Check(e.Artefact, artefact.Facts{}.Texts(classes.Names)); err != nil {
			return fmt.Errorf("%w (classes of %s%s)", err, classes.Path, why)
		}
		return nil
	}
	switch {
	case made.TextList == nil && made.Texts != "" && classes.Table:
		return refused("")
	case made.TextList == nil:
		say.Warn("%s", unlisted(e.Path, classes))
		return nil
	}
	c := compareNames(classes.Names, made.TextList)
	switch {
	case c.moved >= 0:
		return refused(fmt.Sprintf("; %s has label %d and row %d", foreign.Quote(classes.Names[c.moved]), c.moved, c.movedTo))
	case c.same == 0 && !classes.Table:
		return comparePlaces(e.Path, classes, made.TextList, refused, say)
	case c.same < len(classes.Names)*mostlySame/100:
		return refused(fmt.Sprintf("; label %d is %s there, %s here", c.first, foreign.Quote(classes.Names[c.first]), foreign.Quote(made.TextList[c.first])))
	case c.first >= 0:
		say.Warn("%s: %d of %s differ%s from those of %s, such as label %d: %s here, %s there", e.Path, len(classes.Names)-c.same, quantity.Of(len(classes.Names), "class name"),
			quantity.Ending(len(classes.Names)-c.same, len(classes.Names)), classes.Path, c.first, foreign.Quote(made.TextList[c.first]), foreign.Quote(classes.Names[c.first]))
	}
	return nil
}

// ComparePlaces compares classes that are given, none of which has the name of a folder, with
// the classes of a data set that they are taken for by their places, as CheckClasses does the
// texts of embeddings: what contains the name of another folder than that of its place is an
// error; what contains none is a warning, and of folders that are ids, a note.
func ComparePlaces(classes *dataset.Classes, given []string, say ui.Reporter) error {
	warnOfImageNet("{classes}", classes, say)
	return comparePlaces("{classes}", classes, given, func(why string) error {
		err := usage.Errorf("{classes}: not in the order of the classes of %s%s", classes.Path, why)
		return hint.With(err, "give them in the order of the folders, or the labels of images in {labels-csv}")
	}, say)
}

// comparePlaces compares texts of rows with the names of the folders that have these labels.
func comparePlaces(path string, classes *dataset.Classes, texts []string, refused func(why string) error, say ui.Reporter) error {
	if areIDs(classes.Names) {
		if !isPartOfImageNet(classes.Names) {
			say.Note("%s: its classes, such as %s, have other names than those of %s, such as %s, and are taken to be them in their order", classes.Path,
				foreign.Quote(classes.Names[0]), path, foreign.Quote(texts[0]))
		}
		return nil
	}
	w := compareWords(classes.Names, texts)
	if w.moved >= 0 {
		return refused(fmt.Sprintf("; %s has label %d and is in row %d, %s", foreign.Quote(classes.Names[w.moved]), w.moved, w.movedTo, foreign.Quote(texts[w.movedTo])))
	}
	if len(w.without) > 0 {
		say.Warn("%s", byPlace(path, classes, texts, w.without))
	}
	return nil
}

// warnOfImageNet warns of folders that are some of ImageNet's, whose labels are their places.
func warnOfImageNet(path string, classes *dataset.Classes, say ui.Reporter) {
	if !classes.Table && isPartOfImageNet(classes.Names) {
		say.Warn("%s: its classes are %d of ImageNet's 1000, and there is no classes.txt: label 0 is %s, the first id, which need not be row 0 of %s",
			classes.Path, len(classes.Names), foreign.Quote(classes.Names[0]), path)
	}
}

// isPartOfImageNet reports whether classes are named by WordNet ids, as ImageNet's are,
// and are not all of them, so that the place of an id among them is not its index.
func isPartOfImageNet(names []string) bool {
	const all = 1000
	return len(names) != all && !slices.ContainsFunc(names, func(name string) bool { return !wordNetID.MatchString(name) })
}

// areIDs reports whether classes are named by ids of any kind: numbers, alone or after a
// letter.
func areIDs(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !classID.MatchString(name) })
}

var classID = regexp.MustCompile(`^[A-Za-z]?[0-9]+$`)

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

// comparedWords is how the names of classes and texts that are none of them compare.
type comparedWords struct {
	without        []int // labels whose name is not in the text of their row
	moved, movedTo int   // label whose name is in the text of another row only, and that row; -1: none
}

// compareWords looks for names in texts, as whole words.
func compareWords(names, texts []string) comparedWords {
	spaced := make([]string, len(texts)) // the words of texts, each between blanks
	rows := map[string][]int{}           // in whose texts a word is
	for i, text := range texts {
		words := wordsOf(text)
		spaced[i] = " " + strings.Join(words, " ") + " "
		for _, word := range words {
			if in := rows[word]; len(in) == 0 || in[len(in)-1] != i {
				rows[word] = append(in, i)
			}
		}
	}
	c := comparedWords{moved: -1}
	for i, name := range names {
		words := wordsOf(name)
		within := func(row int) bool {
			return len(words) > 0 && strings.Contains(spaced[row], " "+strings.Join(words, " ")+" ")
		}
		if within(i) {
			continue
		}
		c.without = append(c.without, i)
		if len(words) == 0 || c.moved >= 0 {
			continue
		}
		in := rows[words[0]]
		if at := slices.IndexFunc(in, within); at >= 0 {
			c.moved, c.movedTo = i, in[at]
		}
	}
	return c
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(dataset.PlainName(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	})
}

// mostPlaces is how many rows are named that are taken for labels by their places.
const mostPlaces = 3

// unlisted says that rows of embeddings, whose texts are not known, are taken for labels by
// their places alone.
func unlisted(path string, classes *dataset.Classes) string {
	var rows []string
	for label, name := range classes.Names[:min(mostPlaces, len(classes.Names))] {
		rows = append(rows, fmt.Sprintf("row %d is taken for label %d, %s", label, label, foreign.Quote(name)))
	}
	if len(classes.Names) > mostPlaces {
		rows = append(rows, "and so on")
	}
	return fmt.Sprintf("%s: it does not list its texts, so that they are not compared with the classes in %s: %s", path, classes.Path, strings.Join(rows, "; "))
}

// byPlace says that rows of embeddings are taken for labels by their places alone.
func byPlace(path string, classes *dataset.Classes, texts []string, labels []int) string {
	none := "no text is the name of a class"
	if n := len(texts); len(labels) < n {
		none = fmt.Sprintf("%d of %s %s not have the name of the class", len(labels), quantity.Of(n, "text"), quantity.Does(len(labels), n))
	}
	var pairs []string
	for _, label := range labels[:min(mostPlaces, len(labels))] {
		pairs = append(pairs, fmt.Sprintf("row %d, %s, is taken for label %d, %s", label, foreign.Quote(texts[label]), label, foreign.Quote(classes.Names[label])))
	}
	if len(labels) > mostPlaces {
		pairs = append(pairs, "and so on")
	}
	return fmt.Sprintf("%s: %s in %s: %s", path, none, classes.Path, strings.Join(pairs, "; "))
}
