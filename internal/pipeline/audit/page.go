package audit

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// The files of a page, below Options.Dir.
const (
	pageFile  = "audit.md"
	jsonFile  = "audit.json"
	curveFile = "curve.png"
	sheetFile = "pairs.png"
	listFile  = "removed.txt" // the chosen pairs, one per line

	// neuronFile has the neurons of these pairs, where weights are those of neurons.
	neuronFile = "neurons.txt"
)

// pageMark is the first line of a page, by which it is known as ours.
const pageMark = "<!-- Written by clipnh audit -->\n"

// shownPairs is how many pairs the page lists; the JSON document has all.
const shownPairs = 20

// A page is what an audit in Markdown says.
type page struct {
	*Result
	labels          string // where they are from
	words, concepts bool   // of pairs; of heads, words are their texts
	named           int    // of a pair's words, the first; 0: all
	drawn           bool   // whether there is a sheet
	sheets          int    // pairs whose images are named
	anyModel        bool   // the commands name no checkpoint
	neurons         int    // that these take out, where pairs have no weights of their own
	layered         bool   // chosen heads are edited layer by layer
}

// write writes the page.
func (p *page) write(b *bytes.Buffer) {
	r := p.Result
	line := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	b.WriteString(pageMark)
	line("# Audit of a zero-shot classifier\n")
	line("%s\n", r.verdict())
	line("| | |\n|---|---|")
	line("| model | %s |", cellText(r.Model))
	line("| weights, SHA-256 | %s |", cellText(r.Weights))
	if r.Scores != "" {
		line("| scores | %s |", cellText(r.Scores))
	}
	line("| labels | %s |", cellText(p.labels))
	line("| classes | %s |", cellText(fewNames(r.Classes)))
	line(r.say("| images | %d: pairs are chosen on %d, effects measured on the other %d |"), r.Images, r.Half[choosing], r.Half[measuring])
	line(r.say("| pairs tried | %d, in %s of groups |"), r.Tried(), quantity.Of(len(r.Contrasts), "comparison"))
	line("| permutations, level, seed | %d, %g, %d |", r.Permutations, r.Level, r.Seed)
	if len(r.Skipped) > 0 {
		line("| images left out | %d, which could not be read |", len(r.Skipped))
	}

	line("\n## Accuracy by group\n")
	line("All images, the model as it is. The margin is the logit of the label less that of the strongest other class.\n")
	line("| label | group | images | accuracy %% | mean margin |\n|---|---|---:|---:|---:|")
	for _, g := range r.Before.Groups {
		line("| %s | %s | %d | %.1f | %.2f |", cellText(g.Label), cellText(g.Group), g.Images, 100*g.Accuracy, g.Margin)
	}
	worst := r.Before.Groups[r.Before.Group]
	line("\nMean accuracy is %.1f %%. The worst group is %s of label %s, with %.1f %%: a gap of %.1f points.",
		100*r.Before.Mean, cellText(worst.Group), cellText(worst.Label), 100*r.Before.Worst, 100*r.Before.Gap)

	p.writeConcepts(line)
	p.writePairs(line)
	if len(r.Curve) < 2 {
		return
	}
	line("\n## What is left without them\n")
	line("%s", r.say("The pairs above that widen differences are mean-ablated, in their order. How many is chosen on the half that they were chosen on, by the accuracy of its worst group; the accuracies below are of the other half.\n"))
	line(r.say("![Accuracy over pairs removed](%s)\n"), curveFile)
	line("%s", r.say("| pairs removed | worst group % | mean % | choosing half: worst group % | mean % |\n|---:|---:|---:|---:|---:|"))
	for _, c := range r.Curve {
		mark := ""
		if c.Removed == r.Chosen {
			mark = " (chosen)"
		}
		line("| %d%s | %.1f | %.1f | %.1f | %.1f |", c.Removed, mark, 100*c.Worst, 100*c.Mean, 100*c.Choosing.Worst, 100*c.Choosing.Mean)
	}
	if r.Chosen == 0 {
		line("%s", r.say("\nNo number of pairs improves the worst group of the choosing half, so nothing is chosen."))
		return
	}
	line("\n| label | group | images | accuracy before %% | after %% |\n|---|---|---:|---:|---:|")
	for i, g := range r.Untouched.Groups {
		line("| %s | %s | %d | %.1f | %.1f |", cellText(g.Label), cellText(g.Group), g.Images, 100*g.Accuracy, 100*r.After.Groups[i].Accuracy)
	}
	switch {
	case r.ByZero:
		line("\nAbove, what these heads add to the feature is replaced by its mean. No checkpoint can be made so: %s. This makes one without the %s, layer by layer from the last one; its accuracies are not those above:\n", untold, quantity.Of(r.Chosen, "chosen head"))
	case p.layered:
		line("\nAbove, what these heads add to the feature is replaced by its mean, and all that later layers make of it stays. This makes the checkpoint without the %s, layer by layer from the last one; there, later layers read their means too, so its accuracies are not those above:\n", quantity.Of(r.Chosen, "chosen head"))
	case p.neurons == 0:
		line("\nThis makes the checkpoint without the %s:\n", quantity.Of(r.Chosen, r.say("chosen pair")))
	default:
		line("\nThe chosen pairs have no weights of their own. This makes the checkpoint without their %s, in %s, with all pairs of these; its accuracies are not those above:\n", quantity.Of(p.neurons, "neuron"), neuronFile)
	}
	for _, c := range r.Commands {
		line("    %s", c)
	}
	if p.anyModel {
		line("\nFILE is the checkpoint that the scores were collected with (SHA-256 above).")
	}
}

// verdict is what was found, in a sentence or two.
func (r *Result) verdict() string {
	if r.Found == 0 {
		return fmt.Sprintf(r.say("No pair's share of the margin goes with the groups, at the level of %g after correction for all pairs tried."), r.Level)
	}
	text := fmt.Sprintf(r.say("%d of %s go with the groups, at the level of %g after correction for all pairs tried."), r.Found, quantity.Of(r.Tried(), r.say("pair")), r.Level)
	if r.Chosen > 0 {
		text += fmt.Sprintf(" Without %d of them, the worst group's accuracy on images that they were not chosen on is %.1f %%, before %.1f %%; mean accuracy is %.1f %%, before %.1f %%.",
			r.Chosen, 100*r.After.Worst, 100*r.Untouched.Worst, 100*r.After.Mean, 100*r.Untouched.Mean)
	}
	return text
}

func (p *page) writeConcepts(line func(string, ...any)) {
	if !p.concepts {
		return
	}
	line("\n## Concepts\n")
	line("How the image's cosine with a concept goes with the group, within a label, on the choosing half: point-biserial r, positive where the group's images are closer to the concept. P is that of each comparison alone.\n")
	line("| label | group | concept | r | P |\n|---|---|---|---:|---:|")
	for _, c := range p.Contrasts {
		for _, f := range c.Concepts {
			line("| %s | %s | %s | %+.3f | %.2g |", cellText(c.Label), cellText(c.Group), cellText(f.Concept), f.R, f.P)
		}
	}
}

// wordsColumn heads the column of words.
func (p *page) wordsColumn() string {
	if p.OfHeads() {
		return " texts |"
	}
	return " words |"
}

func (p *page) writePairs(line func(string, ...any)) {
	r := p.Result
	line("%s", r.say("\n## Pairs that go with the groups\n"))
	if len(r.Pairs) == 0 {
		line("None.")
		return
	}
	line("%s", r.say("A pair's share of the margin is what it adds to it. r is the point-biserial correlation of the share with the group, within a label, where it is most significant, on the choosing half: positive where the share is larger in the named group, which is the one with the larger margins. P is corrected for all pairs and comparisons by permutation (max-statistic). The effect is by how many logits the pair widens the difference between the margins of groups, the mean over comparisons; a negative one narrows it, and the pair is not removed.\n"))
	head, rule := r.say("| pair | effect | r | P | label | group |"), "|---|---:|---:|---:|---|---|"
	if p.words {
		head, rule = head+p.wordsColumn(), rule+"---|"
	}
	nearest := p.concepts && !r.OfHeads()
	if nearest {
		head, rule = head+" nearest concept |", rule+"---|"
	}
	line("%s\n%s", head, rule)
	for i := range r.Pairs[:min(shownPairs, len(r.Pairs))] {
		x := &r.Pairs[i]
		row := fmt.Sprintf("| %s | %+.3f | %+.3f | %.3g | %s | %s |", x.Unit, x.Effect, x.R, x.P, cellText(x.Label), cellText(x.Group))
		if p.words {
			row += " " + cellText(x.wordsLine(p.named)) + " |"
		}
		if nearest {
			row += " " + cellText(x.nearestConcept()) + " |"
		}
		line("%s", row)
	}
	if p.words && r.OfHeads() {
		line("\nTexts are the first of those that span what the head adds (TextSpan), in the order in which they were taken; %s has the share of its variance that they explain, where the list says it.", jsonFile)
	}
	if n := len(r.Pairs) - shownPairs; n > 0 {
		line("\n%d more %s in %s.", n, quantity.Is(n), jsonFile)
	}
	if p.drawn {
		line(r.say("\n![Images of the pairs](%s)"), sheetFile)
	}
	shown := "Images of largest absolute score of the first pairs"
	if r.OfHeads() {
		shown = "Images in which the first heads are furthest from their means"
	}
	line("\n%s:\n", shown)
	for i := range r.Pairs[:min(p.sheets, len(r.Pairs))] {
		x := &r.Pairs[i]
		names := make([]string, len(x.Top))
		for j, t := range x.Top {
			names[j] = fmt.Sprintf("%s (%s, %s)", t.Name, t.Label, t.Group)
		}
		line("- %s: %s", x.Unit, cellText(strings.Join(names, "; ")))
	}
}

// wordsLine has the first words of a pair, all if named is 0, with their signs; or the first texts
// of a head.
func (p *Pair) wordsLine(named int) string {
	if len(p.Texts) > 0 {
		return p.FirstTexts(named)
	}
	terms := p.Words
	if named > 0 {
		terms = terms[:min(named, len(terms))]
	}
	words := make([]string, len(terms))
	for i, t := range terms {
		words[i] = fmt.Sprintf("%s %+.2f", t.Word, t.Coefficient)
	}
	return strings.Join(words, ", ")
}

// FirstTexts has the first texts of a head, all if named is 0.
func (p *Pair) FirstTexts(named int) string {
	texts := make([]string, 0, len(p.Texts))
	for _, t := range p.Texts {
		texts = append(texts, t.Text)
	}
	if named > 0 {
		texts = texts[:min(named, len(texts))]
	}
	return strings.Join(texts, "; ")
}

// nearestConcept is the concept of largest absolute cosine.
func (p *Pair) nearestConcept() string {
	best := -1
	for i, c := range p.Concepts {
		if best < 0 || c.Cosine*c.Cosine > p.Concepts[best].Cosine*p.Concepts[best].Cosine {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return fmt.Sprintf("%s %+.2f", p.Concepts[best].Concept, p.Concepts[best].Cosine)
}

// fewNames quotes some names, and counts the others.
func fewNames(names []string) string {
	const most = 5
	if len(names) <= most {
		return foreign.QuoteAll(names)
	}
	return fmt.Sprintf("%s and %d more", foreign.QuoteAll(names[:most]), len(names)-most)
}

// cellText is a text of others within a table in Markdown.
func cellText(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;", "*", `\*`, "`", "\\`", "[", `\[`).Replace(text)
}
