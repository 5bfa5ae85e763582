package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/layout"
	"github.com/clipnh/clipnh/internal/ui"
)

const dataCheckHelp = `
Checks whether a folder has the layout of a data set. PATH may also be what
--data-path of the other commands may be: an archive, several by a pattern with
braces, Parquet files, addresses of these, or a list. Reports the parts that
were found and how much each holds, next to the counts of the published set;
what is missing or wrong, and where to get it; and, if all is well, what to run.
A part that holds fewer images than were published is partial: it can be used,
but results are not comparable with published ones. Reads names, sizes and the
headers of some files, not whole images. Ends with status 1 if something is
missing or wrong, after printing the report.

Data sets:
`

func dataCheckLong() string {
	var b strings.Builder
	b.WriteString(dataCheckHelp)
	about := layout.About()
	for i, name := range layout.Kinds() {
		fmt.Fprintf(&b, "  %-14s  %s\n", name, about[i])
	}
	return b.String()
}

func newDataCheckCommand(g *globalOptions) *cobra.Command {
	var dataPath string
	cmd := &cobra.Command{
		Use:         "check DATASET PATH",
		Short:       "Check whether a folder has the layout of a data set",
		Long:        dataCheckLong(),
		Example:     "clipnh data check context VOCdevkit/VOC2010",
		Annotations: reporting(exitStatus(exitInterrupted)),
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 2 && dataPath != "":
				return usageError{fmt.Errorf("%s and --data-path %s: want one path", args[1], dataPath)}
			case len(args) == 2 || len(args) == 1 && dataPath != "":
				return nil
			}
			return usageError{notChecked(args)}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDataCheck(cmd.Context(), args[0], append(args, dataPath)[1], g)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return layout.Kinds(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVarP(&dataPath, "data-path", "d", "", "`PATH` of the data set, instead of the argument")
	return cmd
}

// notChecked is the error of a command line that lacks the data set, the folder or both, or
// has too much.
func notChecked(args []string) error {
	kinds := strings.Join(layout.Kinds(), ", ")
	switch {
	case len(args) > 2:
		return fmt.Errorf("%d arguments: want a data set and its path", len(args))
	case len(args) == 1 && slices.Contains(layout.Kinds(), args[0]):
		return fmt.Errorf("%s: want the path of the data set after it", args[0])
	case len(args) == 1:
		return fmt.Errorf("%s: want the name of the data set before the path, one of %s", args[0], kinds)
	}
	return fmt.Errorf("want a data set and its path; data sets are %s", kinds)
}

// checkedLayout is the result as JSON.
type checkedLayout struct {
	*layout.Report
	Run []string `json:"run,omitempty"` // commands that the data set is for
}

func runDataCheck(ctx context.Context, kind, path string, g *globalOptions) error {
	if !slices.Contains(layout.Kinds(), kind) {
		err := usageError{fmt.Errorf("data set %q: want one of %s", kind, strings.Join(layout.Kinds(), ", "))}
		if advice := layoutHint(kind); advice != "" {
			return hinted{err, advice}
		}
		return err
	}
	r, err := layout.Check(ctx, kind, path)
	if err != nil {
		return err
	}
	for _, p := range r.Parts {
		for i := range p.Notes { // some are hints of errors
			p.Notes[i] = g.printer.Spelled(p.Notes[i])
		}
	}
	next := nextCommands(r)
	if g.json {
		err = g.printer.JSON(checkedLayout{r, next})
	} else {
		err = printLayout(r, next, g)
	}
	if err != nil {
		return err
	}
	if !r.OK {
		return fmt.Errorf("%s: does not have the layout of %s", r.Path, r.Kind)
	}
	return nil
}

// layoutHint says which data sets a name that has no layout may have meant; empty if none.
func layoutHint(name string) string {
	family, _, _ := strings.Cut(name, "_")
	var same []string
	for _, kind := range layout.Kinds() {
		if kind == family || strings.HasPrefix(kind, family+"_") {
			same = append(same, kind)
		}
	}
	if len(same) == 0 {
		same = hint.Meant(name, layout.Kinds())
	}
	switch known := slices.Contains(dataset.Kinds(), name); {
	case known && len(same) > 0:
		return fmt.Sprintf("collect takes %s, but only %s has a layout to check", name, strings.Join(same, ", "))
	case known:
		return fmt.Sprintf("collect takes %s as it is: there is no layout to check", name)
	case len(same) > 0:
		return didYouMean(same)
	}
	return ""
}

// nextCommands returns command lines that use the data set; none if its layout is
// wrong.
func nextCommands(r *layout.Report) []string {
	if !r.OK {
		return nil
	}
	path, last := quoted(r.Path), r.Parts[len(r.Parts)-1]
	test := func(images layout.Part) []string {
		switch {
		case images.Count <= layout.SubsetImages:
		case r.Packed: // a subset is of links to files
			return []string{fmt.Sprintf("clipnh collect --model RN50x16 --dataset imagenet_test --data-path %s --sample-stride %d --save-path caches/reprs",
				path, images.Count/layout.SubsetImages*5)}
		default: // more than the paper uses
			return []string{
				"clipnh data subset --data-path " + path + " --save-path imagenet_5000",
				"clipnh collect --model RN50x16 --dataset imagenet_test --data-path imagenet_5000 --sample-stride 5 --save-path caches/reprs",
			}
		}
		return []string{"clipnh collect --model RN50x16 --dataset imagenet_test --data-path " + path + " --save-path caches/reprs"}
	}
	val := "clipnh collect --model RN50x16 --dataset imagenet_val --data-path " + path + " --save-path caches/val"
	switch r.Kind {
	case "imagenet":
		return append(test(r.Parts[0]), val)
	case "imagenet_test":
		return test(r.Parts[0])
	case "imagenet_val":
		return []string{val}
	case "cars":
		collect := "clipnh collect --model RN50x16 --dataset cars --data-path " + path + " --save-path caches/cars"
		if len(r.Parts) == 1 { // the last of several is the table of colours
			return []string{collect}
		}
		return []string{
			collect,
			"clipnh shift --concepts yellow,convertible --model RN50x16 --pcs-path caches/pc0.npy --dataset cars --data-path " + path +
				" --colours-csv " + quoted(last.Name),
		}
	}
	return []string{"clipnh segment --model RN50x16 --pcs-path caches/pc0.npy --config " + r.Config + " --data-path " + path}
}

// printLayout prints the parts, then problems and notes, then where to get the data or
// the next command lines.
func printLayout(r *layout.Report, next []string, g *globalOptions) error {
	t := ui.NewTable(ui.Left("part"), ui.Right("found"), ui.Left(""), ui.Right("published"), ui.Left("state"))
	remarks := ui.NewTable(ui.Left(""))
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			remarks.Row("")
			remarks.Row(title)
		}
		for _, line := range lines {
			remarks.Row("  " + line)
		}
	}
	var wrong, notes []string
	for _, p := range r.Parts {
		state, published := "ok", ""
		if len(p.Problems) > 0 {
			state = "wrong"
			if p.Count == 0 {
				state = "missing"
			}
		}
		if p.Published > 0 {
			published = fmt.Sprint(p.Published)
		}
		if p.Partial() {
			state = "partial"
		}
		t.Row(p.Name, fmt.Sprint(p.Count), p.Unit, published, state)
		wrong, notes = append(wrong, p.Problems...), append(notes, p.Notes...)
	}
	section("Problems:", wrong)
	section("Notes:", notes)
	section("Where to get it:", r.Get)
	section("Next:", next)
	if err := g.printer.Table(t); err != nil {
		return err
	}
	return g.printer.Table(remarks)
}
