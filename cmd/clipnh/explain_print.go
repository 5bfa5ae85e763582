package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/ui"
)

// classesFlag adds --classes of commands that know the classes of data sets by name.
func classesFlag(fs *pflag.FlagSet, classes *textList) {
	textsFlag(fs, classes, "classes", "c", "classes, or IN or PC for those of ImageNet or PASCAL Context"+textsHelp, isList)
}

// parseNames reads the names of --classes: a built-in set, or texts.
func parseNames(given *textList, g *globalOptions) ([]string, error) {
	switch given.String() {
	case "IN":
		return configs.ImageNetClasses(), nil
	case "PC":
		return configs.PascalContext59(), nil
	}
	return given.readOnce(&g.texts)
}

// explanationPrinter prints explanations as they come.
type explanationPrinter struct {
	p    *ui.Printer
	json bool
	top  int // classes

	words    int // of a unit, the first
	setup    *explain.Setup
	document *ui.Document // of JSON
	printed  int
}

func (e *explanationPrinter) begin(s *explain.Setup) error {
	e.setup, e.document = s, e.p.Document(s, "images")
	return nil
}

// end closes the document, or says how far bf16 is from float32. Of a run that failed at
// once, nothing is printed.
func (e *explanationPrinter) end(r *explain.Result, failed error) error {
	switch {
	case !e.json && failed == nil && r.Rounding != nil:
		return errors.Join(e.p.Text("\n"), printRounding(e.p, r.Rounding))
	case !e.json || failed != nil && !e.document.Begun():
		return nil
	}
	return e.document.Close(r)
}

func (e *explanationPrinter) explanation(x *explain.Explanation) error {
	if e.json {
		return e.document.Item(x)
	}
	if e.printed++; e.printed > 1 {
		if err := e.p.Text("\n\n"); err != nil {
			return err
		}
	}
	what := x.Class
	if x.Versus != "" {
		what += " against " + x.Versus
	}
	columns, row := []ui.Column{ui.Left("image"), ui.Left("explained"), ui.Right("logit")}, []string{x.Name, what, fmt.Sprintf("%.4f", x.Logit)}
	if x.Sheet != "" {
		columns, row = append(columns, ui.Left("sheet")), append(row, x.Sheet)
	}
	t := ui.NewTable(columns...)
	t.Row(row...)
	return errors.Join(e.p.Table(t), e.p.Text("\n"), e.classes(x), e.p.Text("\n"), e.units(x), e.sums(x))
}

// classes prints the classes of largest logit, and those that are explained.
func (e *explanationPrinter) classes(x *explain.Explanation) error {
	t := ui.NewTable(ui.Left("class"), ui.Right("logit"), ui.Right("probability %"))
	for i, c := range x.Classes {
		if i < e.top || c.Name == x.Class || c.Name == x.Versus {
			t.Row(c.Name, fmt.Sprintf("%.4f", c.Logit), fmt.Sprintf("%.2f", 100*c.Probability))
		}
	}
	return e.p.Table(t)
}

// units prints the listed pairs and neurons, if there are any.
func (e *explanationPrinter) units(x *explain.Explanation) error {
	collection := e.setup.Collection
	columns := []ui.Column{ui.Left("units"), ui.Left("unit"), ui.Right("part"), ui.Right("share %")}
	if collection != nil {
		columns = append(columns, ui.Right("usual"), ui.Right("unusual"))
	}
	columns = append(columns, ui.Right("score"))
	if collection != nil {
		columns = append(columns, ui.Right("mean"))
		if collection.Images > 0 {
			columns = append(columns, ui.Right(fmt.Sprintf("rank of %d", collection.Images)))
		}
	}
	words, listed := false, false
	groups := []struct {
		name  string
		parts []explain.Part
	}{{"pairs for", x.Pairs.For}, {"pairs against", x.Pairs.Against}, {"neurons for", x.Neurons.For}, {"neurons against", x.Neurons.Against}}
	for _, g := range groups {
		words = words || slices.ContainsFunc(g.parts, func(p explain.Part) bool { return len(p.Words) > 0 })
	}
	if words {
		columns = append(columns, ui.Left("words of the unit"))
	}
	t := ui.NewTable(columns...)
	for _, g := range groups {
		name := g.name
		for _, p := range g.parts {
			row := []string{name, p.Unit, fmt.Sprintf("%+.4f", p.Part), percent(p.Share)}
			if collection != nil {
				row = append(row, signedOrBlank(p.Usual), signedOrBlank(p.Unusual))
			}
			row = append(row, numberOrBlank(p.Score))
			if collection != nil {
				row = append(row, numberOrBlank(p.Mean))
				if collection.Images > 0 {
					row = append(row, rankOf(p))
				}
			}
			if words {
				row = append(row, termsOf(p, e.words))
			}
			t.Row(row...)
			name, listed = "", true
		}
	}
	if !listed {
		return nil
	}
	return errors.Join(e.p.Table(t), e.p.Text("\n"))
}

func signedOrBlank(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%+.4f", *v)
}

func numberOrBlank(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%.4f", *v)
}

// rankOf is the rank of a pair's score, a dash where the collection does not tell.
func rankOf(p explain.Part) string {
	switch {
	case p.Rank != nil:
		return fmt.Sprint(*p.Rank)
	case p.Score != nil:
		return "-"
	}
	return ""
}

// termsOf is the first words of a unit with their coefficients.
func termsOf(p explain.Part, named int) string {
	var words []string
	for _, term := range p.Words[:min(named, len(p.Words))] {
		words = append(words, fmt.Sprintf("%s %+.2f", term.Word, term.Coefficient))
	}
	return strings.Join(words, ", ")
}

// sums prints that the parts sum to the logit, by pairs, neurons and places.
func (e *explanationPrinter) sums(x *explain.Explanation) error {
	t := ui.NewTable(ui.Left("sum"), ui.Right("pairs"), ui.Right("neurons"), ui.Right("places"))
	number := func(v float64) string { return fmt.Sprintf("%+.4f", v) }
	t.Row("listed", number(x.Pairs.Listed), number(x.Neurons.Listed), "")
	t.Row("not listed", number(x.Pairs.Rest), number(x.Neurons.Rest), "")
	t.Row("places of the image", "", "", number(x.Places.Sum))
	sums := []float64{x.Sum, x.Neurons.Listed + x.Neurons.Rest + x.Constant, x.Places.Sum + x.Places.Position + x.Constant}
	if e := x.Elsewhere; e == nil {
		t.Row("position embedding", "", "", number(x.Places.Position))
		t.Row("constant", number(x.Constant), number(x.Constant), number(x.Constant))
	} else {
		t.Row("class token", "", "", number(e.ClassToken))
		t.Row("MLPs", "", "", number(e.MLPs))
		t.Row("all that no pair adds", number(e.Pairs), number(e.Pairs), "")
		sums = []float64{x.Pairs.Listed + x.Pairs.Rest + e.Pairs, x.Neurons.Listed + x.Neurons.Rest + e.Pairs, x.Sum}
	}
	total, logit, difference := []string{"sum of the parts"}, []string{"logit of the model"}, []string{"difference"}
	for i, sum := range sums {
		total, logit = append(total, number(sum)), append(logit, number(x.Logit))
		if by := fmt.Sprintf("%+.0e", sum-x.Logit); x.Elsewhere == nil || i == len(sums)-1 {
			difference = append(difference, by)
		} else {
			difference = append(difference, "") // what no pair adds is what they leave
		}
	}
	t.Row(total...)
	t.Row(logit...)
	t.Row(difference...)
	return e.p.Table(t)
}
