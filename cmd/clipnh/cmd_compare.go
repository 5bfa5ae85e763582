package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/report"
	"github.com/clipnh/clipnh/internal/quantity"
	files "github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

const compareHelp = `
Compares two collections, A and B: which pairs, or heads, differ, which appear
only in B, and which die, that is, are found only in A. Each is a folder of
scores that collect wrote, a summary (collect --stats-only --no-features), a
report of scores; or heads (collect --mode heads), or a report of heads. A pair
or head whose mean norm is below 1 % of the largest in A is dead; it adds next
to nothing to any image. Between models of one architecture one dies only if its
norm is also at least halved, and appears only if it is at least doubled; one
that merely crosses the 1 % counts as alive in both.

Pairs. If both models have the same architecture, such as before and after
fine-tuning, or are the same model on other images, each pair is compared with
the pair of the same name. If at least 10 images are in both collections, pairs
are listed by the correlation of their scores on these, lowest first; otherwise
by the shift, largest first, and the similarity is the cosine of directions. The
shift is the mean score in B less that in A, in standard deviations of the
pair's scores in A. Images are in both if they have the same name and, as far as
the collections know it, the same checksum; photos.tar!cats/1.jpg of an archive
is cats/1.jpg of its folder. Pairs that differ by no more than rounding are
counted, not listed.

Between different architectures, each pair is matched with the one whose scores
on shared images correlate most or, without shared images, whose direction is
nearest. If no match has a similarity of 0.5, the pair has died, or appeared.
Norms are then compared with the largest norm of the same model.

A summary has no images: pairs are compared by directions, means and deviations,
and norms are root mean squares, on both sides, in place of means.

Heads. What a head adds to each of the shared images, its biases included, is
compared by linear CKA (centred kernel alignment): 1 if it is the same up to a
rotation, a factor and a constant, about 0 if it has nothing in common. So
models may have features of different widths. It is estimated without bias from
few images too, and may then be a little below 0. Heads of one architecture are
compared by name, lowest CKA first, and the shift is the distance of the means
of A and B over the root mean square distance of single images from their mean
in A. With fewer than 10 shared images they are listed by the shift, and the
similarity is the cosine of the means: both models must have the same output
space, as before and after fine-tuning. Between architectures, which need shared
images, each head is matched with that of the largest CKA; below 0.25 there is
no match. With fewer than 1,000 shared images, the largest CKA that chance finds
is printed too (95th percentile, B's images in a random order).
--match matches heads, or pairs, of one architecture too: those of two trainings
have names that say nothing. Memory depends on the models, not on the number of
images: about 0.5 GB for heads of ViT-B, 1.2 GB for those of ViT-L.

Writes to standard output; "clipnh report --with" puts the same on a page.`

func newCompareCommand(g *globalOptions) *cobra.Command {
	var opts compareOptions
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "List the pairs or heads that differ between two collections",
		Long:  compareHelp,
		Example: "clipnh compare caches/june caches/july\n" +
			"clipnh compare report caches/july --list 20",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("%s given: want two", quantity.Of(len(args), "collection"))}
			}
			return nil
		},
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.stage.Here, opts.stage.There, opts.set = args[0], args[1], setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runCompare(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// compareOptions is everything the compare command can be told: the stage's options.
type compareOptions struct {
	set   givenFlags // has a value that someone gave it
	stage report.CompareOptions
}

func (o *compareOptions) addFlags(fs *pflag.FlagSet) {
	fs.IntVar(&o.stage.List, "list", 10, "list `N` pairs, or heads, that differ, that appear and that die")
	fs.BoolVar(&o.stage.Match, "match", false, "match pairs, or heads, of one architecture too by what they do, not by name")
	fs.Uint64Var(&o.stage.Seed, "seed", 0, "draw the projections that match pairs, and the order of images that says what chance finds, with this `SEED`")
}

func (o *compareOptions) validate() error {
	if o.stage.List < 0 {
		return fmt.Errorf("--list %d: want 0 or more", o.stage.List)
	}
	return nil
}

func runCompare(ctx context.Context, opts compareOptions, g *globalOptions) error {
	o := opts.stage
	o.Artefacts, o.Threads = g.artefacts(), g.workers()
	if o.OfHeads() {
		return runCompareHeads(ctx, opts.set, o, g)
	}
	result, err := report.Compare(ctx, o, g.printer)
	if err != nil {
		return err
	}
	g.sayFewer(opts.set, listing{"list", o.List, max(len(result.Moved), len(result.Appeared), len(result.Died)), ui.Pairs, "that differ, appear or die"})
	if g.json {
		return g.printer.JSON(result)
	}
	return printCompare(result, g.printer)
}

func printCompare(m *files.Moved, p *ui.Printer) error {
	t := ui.NewTable(ui.Left(""), ui.Left("collection"), ui.Right("pairs"), ui.Right("not dead"))
	t.Row("A", m.Here, fmt.Sprint(m.HerePairs), fmt.Sprint(m.HereAlive))
	t.Row("B", m.There, fmt.Sprint(m.TherePairs), fmt.Sprint(m.ThereAlive))
	shared := sharedImages(m.Shared, m.OtherFiles)
	pairs := ui.Pairs.Count(int64(m.Differ)) + " of those alive in both differ"
	if m.Differ == 1 {
		pairs = "1 pair of those alive in both differs"
	} else if m.Differ == 0 {
		pairs = "no pair that is alive in both differs"
	}
	same := fmt.Sprintf("%d %s the same up to rounding", m.Same, quantity.Is(m.Same))
	if m.Shared < files.SharedLeast {
		same = fmt.Sprintf("%d %s the same mean, deviation and direction up to rounding", m.Same, quantity.Has(m.Same))
	}
	text := fmt.Sprintf("\nCompared by %s; %s; %s, %s.\n", m.By, shared, pairs, same)
	err := errors.Join(p.Table(t), p.Text(text))
	for _, list := range []struct {
		title  string
		shifts []files.Shift
	}{{"differ", m.Moved}, {"appear in B", m.Appeared}, {"die in B", m.Died}} {
		if len(list.shifts) == 0 {
			continue
		}
		t := ui.NewTable(ui.Left(list.title), ui.Left("in B"), ui.Right("similarity"), ui.Right("shift (sd of A)"), ui.Right("norm"), ui.Right("in B"))
		for _, s := range list.shifts {
			t.Row(pairOf(s.Here, m.HereNames), pairOf(s.There, m.ThereNames), fmt.Sprintf("%.3f", s.Similarity), fmt.Sprintf("%+.2f", s.Shift), number(s.NormHere), number(s.NormThere))
		}
		err = errors.Join(err, p.Text("\n"), p.Table(t))
	}
	return err
}

// pairOf names a pair, or says that there is none.
func pairOf(pair int, names files.PairNames) string {
	if pair == files.None {
		return "-"
	}
	return names.Name(pair)
}

func runCompareHeads(ctx context.Context, set givenFlags, o report.CompareOptions, g *globalOptions) error {
	result, err := report.CompareHeads(ctx, o, g.printer)
	if err != nil {
		return err
	}
	g.sayFewer(set, listing{"list", o.List, max(len(result.Moved), len(result.Appeared), len(result.Died)), ui.Heads, "that differ, appear or die"})
	if g.json {
		return g.printer.JSON(result)
	}
	return printCompareHeads(result, g.printer)
}

func printCompareHeads(m *files.MovedHeads, p *ui.Printer) error {
	t := ui.NewTable(ui.Left(""), ui.Left("collection"), ui.Right("heads"), ui.Right("not dead"))
	t.Row("A", m.Here, fmt.Sprint(m.HereHeads), fmt.Sprint(m.HereAlive))
	t.Row("B", m.There, fmt.Sprint(m.ThereHeads), fmt.Sprint(m.ThereAlive))
	heads := ui.Heads.Count(int64(m.Differ)) + " of those alive in both differ"
	switch {
	case m.By == files.ByCKA:
		heads = fmt.Sprintf("%d of the matched heads differ%s", m.Differ, quantity.Ending(m.Differ))
	case m.Differ == 1:
		heads = "1 head of those alive in both differs"
	case m.Differ == 0:
		heads = "no head that is alive in both differs"
	}
	same := fmt.Sprintf("%d %s the same up to rounding", m.Same, quantity.Is(m.Same))
	if m.By == files.ByHeadMeans {
		same = fmt.Sprintf("%d %s the same mean, deviation and norm up to rounding", m.Same, quantity.Has(m.Same))
	}
	text := fmt.Sprintf("\nCompared %s; %s; %s, %s.\n", comparedHeads[m.By], sharedImages(m.Shared, m.OtherFiles), heads, same)
	if m.Chance != nil {
		text += fmt.Sprintf("By chance, 95 %% of the heads find no match of a CKA above %.3f.\n", *m.Chance)
	}
	measure := "CKA"
	if m.By == files.ByHeadMeans {
		measure = "cosine"
	}
	err := errors.Join(p.Table(t), p.Text(text))
	for _, list := range []struct {
		title  string
		shifts []files.HeadShift
	}{{"differ", m.Moved}, {"appear in B", m.Appeared}, {"die in B", m.Died}} {
		if len(list.shifts) == 0 {
			continue
		}
		columns := []ui.Column{ui.Left(list.title), ui.Left("in B"), ui.Right(measure), ui.Right("shift (rms of A)"), ui.Right("norm"), ui.Right("in B"), ui.Right("of norms"), ui.Right("in B")}
		if m.By == files.ByCKA {
			columns = slices.Delete(columns, 3, 4)
		}
		t := ui.NewTable(columns...)
		for _, s := range list.shifts {
			row := []string{orNone(s.HereName), orNone(s.ThereName), fmt.Sprintf("%.3f", s.Similarity)}
			if m.By != files.ByCKA {
				row = append(row, fmt.Sprintf("%.2f", *s.Shift))
			}
			norms, shares := []string{number(s.NormHere), number(s.NormThere)}, []string{shareOf(s.ShareHere), shareOf(s.ShareThere)}
			for i, head := range []int{s.Here, s.There} {
				if head == files.None {
					norms[i], shares[i] = "-", "-"
				}
			}
			t.Row(slices.Concat(row, norms, shares)...)
		}
		err = errors.Join(err, p.Text("\n"), p.Table(t))
	}
	return err
}

func shareOf(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// comparedHeads says how heads are compared.
var comparedHeads = map[string]string{files.ByHead: "by head", files.ByHeadMeans: "by head, by means alone", files.ByCKA: "by the largest CKA"}

// sharedImages says how many images two collections have in common.
func sharedImages(shared, otherFiles int) string {
	said := ui.Images.Count(int64(shared)) + " in both"
	if otherFiles > 0 {
		said += fmt.Sprintf(", and %s of equal names and other files", ui.Images.Count(int64(otherFiles)))
	}
	return said
}

// orNone is a name, or says that there is none.
func orNone(name string) string {
	if name == "" {
		return "-"
	}
	return name
}
