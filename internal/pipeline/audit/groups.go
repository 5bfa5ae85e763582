package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// An audited image is one with a label and a group.
type audited struct {
	name         string
	row          int // among the images of the source
	label        int // class
	labelName    string
	group        string
	cell, half   int       // see halves
	sight                  // of the model as it is
	feature      []float64 // [O]
	length       float64   // of the feature, |f|
	conceptShare []float64 // cosines with concepts
}

// A sight is what is made of the feature of an image.
type sight struct {
	predicted int     // class
	rival     int     // the strongest class beside label
	margin    float64 // logit of the label less that of the rival
}

// A cell is a group of a label.
type cell struct {
	label  int
	name   string // of the label, as it was given
	group  string
	images []*audited
	stream uint64 // of random numbers: the place of its first image among those of other cells
}

// joinListed joins labels with the images of a model, before any is looked at.
func (a *auditor) joinListed() error {
	names := make([]string, len(a.src.Items))
	for i, item := range a.src.Items {
		names[i] = item.Name
	}
	if err := a.join(names); err != nil {
		return err
	}
	a.data = &dataset.Dataset{Items: a.src.Items}
	return nil
}

// join finds the label and group of images by their names.
func (a *auditor) join(names []string) error {
	rows, err := a.known(names)
	if err != nil {
		return err
	}
	classes := map[string]int{}
	for i, c := range a.Options.Classes {
		if at, twice := classes[dataset.PlainName(c)]; twice {
			return usage.Errorf("{classes}: %s and %s are the same name, want different ones", foreign.Quote(a.Options.Classes[at]), foreign.Quote(c))
		}
		classes[dataset.PlainName(c)] = i
	}
	for i, k := range rows {
		if k == nil {
			a.result.Unlabelled++
			continue
		}
		label, ok := classes[dataset.PlainName(k.Label)]
		if !ok {
			return fmt.Errorf("%s: label %s of image %s is not among the %d {classes}: %s", a.labelled(), foreign.Quote(k.Label), foreign.Name(k.Image), len(classes), fewNames(a.Options.Classes))
		}
		a.images = append(a.images, &audited{name: names[i], row: i, label: label, labelName: k.Label, group: k.Group})
	}
	slices.SortFunc(a.images, func(x, y *audited) int { return strings.Compare(x.name, y.name) })
	if n := a.result.Unlabelled; n > 0 {
		a.say.Note("%s: %s without a row, which count for the means of %ss only", a.labelled(), ui.Images.Count(int64(n)), a.subject.noun())
	}
	return a.group()
}

// labelled is where labels are from.
func (a *auditor) labelled() string {
	switch {
	case a.from != nil:
		return a.from.Path
	case a.ScoresPath != "":
		return a.ScoresPath
	}
	return a.Data.Path
}

// known returns what is known of each image; nil: nothing. Without a table, the folders
// of an image, within its archive if it is in one, are its label and its group. Each row of a table must be of an image,
// but for those that were skipped when scores were collected.
func (a *auditor) known(names []string) ([]*dataset.Labelled, error) {
	rows := make([]*dataset.Labelled, len(names))
	if a.from == nil {
		for i, name := range names {
			folders := dataset.FoldersOf(name)
			if len(folders) < 2 {
				err := fmt.Errorf("%s: image %s is not in folders LABEL/GROUP", a.labelled(), foreign.Name(name))
				return nil, hint.With(err, "give its label and group in {labels-csv}, a table with columns image, label and group")
			}
			rows[i] = &dataset.Labelled{Image: name, Label: folders[len(folders)-2], Group: folders[len(folders)-1]}
		}
		return rows, nil
	}
	joined, err := a.from.Join(names)
	if err != nil {
		return nil, err
	}
	taken := make([]bool, len(a.from.Known))
	for i, at := range joined {
		if at >= 0 {
			rows[i], taken[at] = &a.from.Known[at], true
		}
	}
	skipped := map[string]source.Skipped{}
	if a.collected != nil {
		for _, s := range a.collected.Manifest.Skipped {
			skipped[s.Name] = s
		}
	}
	var missing []string
	for i, k := range a.from.Known {
		if s, was := skipped[k.Image]; was && !taken[i] {
			a.say.Warn("skipped: %s", source.Passed(s))
			a.result.Skipped = append(a.result.Skipped, s)
		} else if !taken[i] {
			missing = append(missing, k.Image)
		}
	}
	if len(missing) > 0 {
		where := a.Data.Path
		if a.ScoresPath != "" {
			where = a.ScoresPath
		}
		err := fmt.Errorf("%s: not in %s, %d of %s: %s", a.from.Path, where, len(missing), quantity.Of(len(taken), "image"), fewNames(missing))
		return nil, a.from.HintFolders(err, names, joined)
	}
	return rows, nil
}

// group puts images into cells, and each cell's into halves, at random: whatever the order
// of the classes, as the images and the seed say.
func (a *auditor) group() error {
	for _, i := range a.images {
		at := slices.IndexFunc(a.cells, func(c cell) bool { return c.label == i.label && c.group == i.group })
		if at < 0 {
			at = len(a.cells)
			a.cells = append(a.cells, cell{label: i.label, name: a.Options.Classes[i.label], group: i.group, stream: uint64(at)})
		}
		a.cells[at].images = append(a.cells[at].images, i)
	}
	slices.SortFunc(a.cells, func(x, y cell) int {
		if x.label != y.label {
			return x.label - y.label
		}
		return strings.Compare(x.group, y.group)
	})
	compared := false
	for at, c := range a.cells {
		compared = compared || at > 0 && a.cells[at-1].label == c.label
		if len(c.images) < 2 {
			err := fmt.Errorf("%s: group %s of label %s has 1 image, want 2 or more", a.labelled(), foreign.Quote(c.group), foreign.Quote(c.name))
			return hint.With(err, "leave its image out, or put it into another group: pairs are chosen on one half of each group, and measured on the other")
		}
		random := rand.New(rand.NewPCG(a.Seed, c.stream))
		for place, i := range random.Perm(len(c.images)) {
			c.images[i].cell, c.images[i].half = at, place%2
		}
	}
	if err := a.checkDesigns(); err != nil {
		return err
	}
	if !compared {
		return fmt.Errorf("%s: %w", a.labelled(), errNoContrast)
	}
	return nil
}

// maxIndicators bounds the numbers that the permutations of a label take: 2 GB.
const maxIndicators = 1 << 29

// checkDesigns refuses labels whose permutations would not fit into memory.
func (a *auditor) checkDesigns() error {
	groups, images := map[int]int{}, map[int]int{}
	for _, c := range a.cells {
		groups[c.label]++
		images[c.label] += (len(c.images) + 1) / 2
	}
	for _, c := range a.cells {
		if n := groups[c.label] * images[c.label] * a.Permutations; n > maxIndicators {
			err := fmt.Errorf("%s: label %s has %s and %s to permute %d times, which is too much",
				a.labelled(), foreign.Quote(c.name), quantity.Of(groups[c.label], "group"), quantity.Of(images[c.label], "image"), a.Permutations)
			return hint.With(err, "give fewer {permutations}, or fewer groups")
		}
	}
	return nil
}

// accuracies are those of the images that are of interest, by what is seen of them.
func (a *auditor) accuracies(of func(*audited) bool, seen func(*audited) sight) Accuracies {
	acc := Accuracies{Worst: 1, Groups: make([]Group, len(a.cells))}
	images, correct := 0, 0
	for at, c := range a.cells {
		g := &acc.Groups[at]
		g.Label, g.Group = c.name, c.group
		for _, i := range c.images {
			if !of(i) {
				continue
			}
			g.Images++
			s := seen(i)
			g.Margin += s.margin
			if s.predicted == i.label {
				g.Correct++
			}
		}
		g.Margin /= float64(g.Images)
		g.Accuracy = float64(g.Correct) / float64(g.Images)
		if at == 0 || g.Accuracy < acc.Worst {
			acc.Worst, acc.Group = g.Accuracy, at
		}
		images, correct = images+g.Images, correct+g.Correct
	}
	acc.Mean = float64(correct) / float64(images)
	acc.Gap = acc.Mean - acc.Worst
	return acc
}
