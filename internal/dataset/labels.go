package dataset

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/parquet"
)

// Labels are annotations of images: which group each image belongs to, such as a year,
// and the answers to some yes-or-no questions.
type Labels struct {
	Path     string   // of the file they are from
	Grouping string   // what groups are: "year"
	Names    []string // of the questions that there are answers to
	Known    []Labelled

	// Differing is how many cars have another class in the devkit than in the table
	// of colours, whose class counts.
	Differing int
}

// Labelled is what is known of an image.
type Labelled struct {
	Image   string   // the name of its file
	Group   string   // empty where it has none
	Answers []Answer // to Labels.Names
	Label   string   // its class; empty where the table has none
}

// An Answer is yes, no, or not known.
type Answer int8

// The answers.
const (
	No Answer = iota
	Yes
	Unknown
)

// TableOptions say what a table of labels has where.
type TableOptions struct {
	Path          string
	Image, Group  string          // columns; Group may be empty
	Label         string          // column of classes; may be empty, else it and Group must have a text in every row
	Labels        []string        // columns
	LabelOptional map[string]bool // those of Labels that need not be there
}

// ReadTable reads labels from a table of comma-separated values, one row an image:
//
//	image,year,yellow
//	00001.jpg,1991,1
//	00002.jpg,2012,0
//
// An answer is 1, true or yes; 0, false or no; or unknown: empty, or nan. Two
// rows of one image are an error. Memory stays below a hundred times the file's
// size, no row taking less than two bytes.
func ReadTable(o TableOptions) (*Labels, error) {
	f, err := foreign.Open(o.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := readLabels(f, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path, err)
	}
	return l, nil
}

func readLabels(r io.Reader, o TableOptions) (*Labels, error) {
	wanted, optional := []string{o.Image}, []bool{false}
	if o.Group != "" {
		wanted, optional = append(wanted, o.Group), append(optional, false)
	}
	if o.Label != "" {
		wanted, optional = append(wanted, o.Label), append(optional, false)
	}
	first := len(wanted)
	for _, name := range o.Labels {
		wanted, optional = append(wanted, name), append(optional, o.LabelOptional[name])
	}
	l := &Labels{Path: o.Path, Grouping: o.Group, Names: o.Labels}
	seen := map[string]int{}
	err := readTable(r, wanted, optional, func(line int, fields []string) error {
		k := Labelled{Image: strings.Clone(fields[0]), Answers: make([]Answer, len(o.Labels))}
		if err := onlyRow(seen, k.Image, line); err != nil {
			return err
		}
		if o.Group != "" {
			k.Group = strings.Clone(fields[1])
		}
		if o.Label != "" {
			k.Label = strings.Clone(fields[first-1])
			for i, text := range fields[1:first] {
				if text == "" {
					return fmt.Errorf("column %q: empty, want a text", wanted[1+i])
				}
			}
		}
		for i, text := range fields[first:] {
			answer, ok := answers[strings.ToLower(text)]
			if !ok {
				return fmt.Errorf("column %q: %s, want 1 or 0, true or false, yes or no", o.Labels[i], foreign.Quote(text))
			}
			k.Answers[i] = answer
		}
		l.Known = append(l.Known, k)
		return nil
	})
	if err == nil && len(l.Known) == 0 {
		err = fmt.Errorf("no rows, want one for each image")
	}
	if err == nil && o.Group != "" && !slices.ContainsFunc(l.Known, func(k Labelled) bool { return k.Group != "" }) {
		err = fmt.Errorf("column %q: empty in all rows, want the groups of images", o.Group)
	}
	if err != nil {
		return nil, err
	}
	return l.withoutUnanswered(), nil
}

var answers = map[string]Answer{
	"1": Yes, "1.0": Yes, "true": Yes, "yes": Yes, "t": Yes, "y": Yes,
	"0": No, "0.0": No, "false": No, "no": No, "f": No, "n": No,
	"": Unknown, "nan": Unknown, "na": Unknown,
}

// onlyRow checks that an image has a name and no other row.
func onlyRow(seen map[string]int, image string, line int) error {
	if image == "" {
		return fmt.Errorf("no name of an image")
	}
	if first, twice := seen[image]; twice {
		return fmt.Errorf("image %s has a row already, in line %d", foreign.Quote(image), first)
	}
	seen[image] = line
	return nil
}

// withoutUnanswered drops the questions that no image has an answer to, as
// those of optional columns that are not there.
func (l *Labels) withoutUnanswered() *Labels {
	var kept []int
	for i := range l.Names {
		for _, k := range l.Known {
			if k.Answers[i] != Unknown {
				kept = append(kept, i)
				break
			}
		}
	}
	if len(kept) == len(l.Names) {
		return l
	}
	names := make([]string, len(kept))
	for j, i := range kept {
		names[j] = l.Names[i]
	}
	for at, k := range l.Known {
		for j, i := range kept {
			k.Answers[j] = k.Answers[i]
		}
		l.Known[at].Answers = k.Answers[:len(kept)]
	}
	l.Names = names
	return l
}

// inArchive is the name that an image has in its archive, or name itself. Folders above an
// archive may have exclamation marks in their names.
func inArchive(name string) string {
	for at := range len(name) {
		if name[at] == '!' && (archive.Named(name[:at]) || parquet.Named(name[:at])) {
			return name[at+1:]
		}
	}
	return name
}

// FoldersOf returns the folders in which the image of a name lies, from the outermost in,
// within its archive if it is in one.
func FoldersOf(name string) []string {
	parts := strings.Split(inArchive(name), "/")
	return parts[:len(parts)-1]
}
