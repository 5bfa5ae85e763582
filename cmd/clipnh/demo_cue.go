package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/audit"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/ui"
)

// The steps on the second model, which relies on backgrounds.
const (
	demoExplain = "explain {}/cue/images/" + demoCueImage + " --model {}/cue/clip.pt --vocab {}/bpe_demo_vocab.txt.gz --templates {}/templates.txt --classes fish,butterfly --class butterfly --versus fish --scores {}/caches/cue --pcs-path {}/caches/cue-pc0.npy --text-descs-list-path {}/words.txt --text-descs-embeddings-path {}/caches/cue-words.npy --list 3 --save-dir {}/explained"
	demoAudit   = "audit --scores {}/caches/cue --model {}/cue/clip.pt --vocab {}/bpe_demo_vocab.txt.gz --templates {}/templates.txt --classes fish,butterfly --labels-csv {}/cue/groups.csv --concepts water,grass --pcs-path {}/caches/cue-pc0.npy --text-descs-list-path {}/words.txt --text-descs-embeddings-path {}/caches/cue-words.npy --data-path {}/cue/images --list 5 --out {}/audit"
	demoEdit    = "edit --model {}/cue/clip.pt --remove @{}/audit/removed.txt --scores {}/caches/cue --save-path {}/audit/edited.pt"
	demoAgain   = "audit --scores {}/caches/cue-edited --model {}/audit/edited.pt --vocab {}/bpe_demo_vocab.txt.gz --templates {}/templates.txt --classes fish,butterfly --labels-csv {}/cue/groups.csv --list 0 --out {}/audit-edited"
)

// demoCueImage is a fish on grass, which the second model takes for a butterfly.
const demoCueImage = "003.jpg"

// demoListed is --list of demoAudit.
const demoListed = 5

// demoCue is what the demo found of the second model's cue.
type demoCue struct {
	Image demoExplained `json:"image"`

	Images   int            `json:"images"` // audited
	Right    map[string]int `json:"right"`  // images, by group, as the model is
	Expected map[string]int `json:"expected_right"`
	Pairs    int            `json:"pairs"` // of the model
	Found    int            `json:"found"` // pairs that go with groups

	Before  demoGroups `json:"before"`   // of all images
	HeldOut demoGroups `json:"held_out"` // of the half that pairs were not chosen on
	After   demoGroups `json:"held_out_after"`
	Edited  demoGroups `json:"held_out_edited"` // by the edited checkpoint, collected afresh
	Removed []string   `json:"removed"`         // pairs
	Words   string     `json:"words"`           // of the first
}

// demoExplained is why an image gets its class.
type demoExplained struct {
	Name  string  `json:"name"`
	Class string  `json:"class"` // that it is taken for
	Label string  `json:"label"`
	Logit float64 `json:"logit"` // of class less that of label
	Pair  string  `json:"pair"`  // that adds most
	Part  float64 `json:"part"`
	Words string  `json:"words"`
}

// demoGroups is the accuracy of groups, as shares of 1.
type demoGroups struct {
	Mean  float64 `json:"mean"`
	Worst float64 `json:"worst"`
	Group string  `json:"group"` // the worst
}

func demoGroupsOf(a audit.Accuracies) demoGroups {
	return demoGroups{a.Mean, a.Worst, a.Groups[a.Group].Label + " in " + a.Groups[a.Group].Group}
}

// explainedDocument is what explain prints with --json.
type explainedDocument struct {
	explain.Setup
	Images []*explain.Explanation `json:"images"`
}

func printDemoExplained(raw []byte, p *ui.Printer) error {
	var d explainedDocument
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	out := &explanationPrinter{p: p, top: len(d.Classes), words: namedWords, setup: &d.Setup}
	for _, x := range d.Images {
		if err := out.explanation(x); err != nil {
			return err
		}
	}
	return nil
}

func printDemoAudit(list int) func([]byte, *ui.Printer) error {
	return func(raw []byte, p *ui.Printer) error {
		var r audit.Result
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		return printAudit(&r, list, namedWords, p)
	}
}

// demoRemoved returns the pairs that the audit chose, from what it printed.
func demoRemoved(raw []byte) ([]string, error) {
	var r audit.Result
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	if r.Chosen == 0 {
		return nil, errors.New("audit: no pair was chosen, want some: the example has a cue")
	}
	units := make([]string, r.Chosen)
	for i := range units {
		units[i] = r.Pairs[i].Unit
	}
	return units, nil
}

// addCue fills in what was found of the cue. That the edited checkpoint, collected
// afresh, does not classify as many images of each group right as the audit measured is
// an error.
func (r *demoResult) addCue(printed map[string][]byte) error {
	var explained explainedDocument
	var before, after audit.Result
	err := errors.Join(json.Unmarshal(printed[demoExplain], &explained), json.Unmarshal(printed[demoAudit], &before), json.Unmarshal(printed[demoAgain], &after))
	if err != nil {
		return err
	}
	expected, err := demo.ExpectedOfCue()
	if err != nil {
		return err
	}
	if err := sameGroups(before.After.Groups, after.Untouched.Groups); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	c := demoCue{
		Expected: expected.Groups, Images: before.Images, Pairs: before.Heads * before.Neurons, Found: before.Found,
		Before: demoGroupsOf(before.Before), HeldOut: demoGroupsOf(before.Untouched), After: demoGroupsOf(before.After), Edited: demoGroupsOf(after.Untouched),
	}
	if c.Removed, err = demoRemoved(printed[demoAudit]); err != nil {
		return err
	}
	c.Right = map[string]int{}
	for _, g := range before.Before.Groups {
		c.Right[g.Label+" in "+g.Group] = g.Correct
	}
	c.Words = signedWords(before.Pairs[0].Words, namedWords)
	if len(explained.Images) != 1 || len(explained.Images[0].Pairs.For) == 0 {
		return fmt.Errorf("explain: %d images, want one with pairs", len(explained.Images))
	}
	x := explained.Images[0]
	c.Image = demoExplained{
		Name: demoCueImage, Class: x.Class, Label: x.Versus, Logit: x.Logit,
		Pair: x.Pairs.For[0].Unit, Part: x.Pairs.For[0].Part, Words: signedWords(x.Pairs.For[0].Words, namedWords),
	}
	r.Cue = c
	return nil
}

// sameGroups holds that as many images of each group are classified right.
func sameGroups(want, got []audit.Group) error {
	if len(want) != len(got) {
		return fmt.Errorf("%d groups from the edited checkpoint, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Label != w.Label || g.Group != w.Group || g.Images != w.Images || g.Correct != w.Correct {
			return fmt.Errorf("the edited checkpoint classifies %d of %d images of %s in %s right, want %d of %d of %s in %s, as the audit measured without its pairs",
				g.Correct, g.Images, g.Label, g.Group, w.Correct, w.Images, w.Label, w.Group)
		}
	}
	return nil
}

// print prints the cue, and what is left of it.
func (c *demoCue) print(p *ui.Printer) error {
	percent := func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
	text := fmt.Sprintf("\nThis ResNet learned that fish are in water. It takes %s of %d images for the\n"+
		"right animal, but only %s of %s. For one of these, %s, the\npair that adds most to %s is %s: %s.\n",
		percent(c.Before.Mean), c.Images, percent(c.Before.Worst), c.Before.Group, c.Image.Name, c.Image.Class, c.Image.Pair, c.Image.Words)
	head, run := c.sameHead()
	text += fmt.Sprintf("audit found %d of %d pairs that go with the background, the first %d all of\n"+
		"head %d; edit took %d out of the checkpoint. On images that had no part in this:\n\n", c.Found, c.Pairs, run, head, len(c.Removed))
	t := ui.NewTable(ui.Left("accuracy"), ui.Right("worst group"), ui.Right("mean"))
	for _, row := range []struct {
		name string
		of   demoGroups
	}{
		{"as it is", c.HeldOut},
		{"edited and collected afresh, as the audit said", c.Edited},
	} {
		t.Row(row.name, percent(row.of.Worst), percent(row.of.Mean))
	}
	return errors.Join(p.Text(text), p.Table(t))
}

// sameHead returns the head of the first pair removed, and how many of the first are of it.
func (c *demoCue) sameHead() (head, run int) {
	for i, name := range c.Removed {
		var h, n int
		if _, err := fmt.Sscanf(name, "h%dn%d", &h, &n); err != nil || i > 0 && h != head {
			break
		}
		head, run = h, run+1
	}
	return head, run
}
