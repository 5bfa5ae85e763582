package score

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/rank"
)

// attributes are what is true of images.
type attributes struct{ all []attribute }

// attribute is something that is true of some images.
type attribute struct {
	names  []string // the first is what it is called, the others say the same
	images []int    // that have it, ascending
}

// best is a unit's attribute of largest AUC.
type best struct {
	attribute int
	auc       float64
}

// leastImages is how many images must have an attribute, and how many must lack it,
// for its AUC to mean anything.
const leastImages = 5

// maxAttributes bounds a file of attributes, in bytes.
const maxAttributes = 64 << 20

// readAttributes reads what is true of the images of scores, nil if there is no file.
// The file is comma-separated values: a line of column names, of which the first is
// image, and then for each image its name and any number of attributes, each perhaps
// with other names after |. An image is found by its name, or by the last part of its
// path.
func (o Options) readAttributes(s *artefact.Scores) (*attributes, error) {
	if o.AttributesPath == "" {
		return nil, nil
	}
	images, err := s.Names()
	if err != nil {
		return nil, err
	}
	text, err := foreign.ReadFile(o.AttributesPath, maxAttributes)
	if err != nil {
		return nil, err
	}
	if mistake := foreign.Mistaken(text); mistake != nil {
		return nil, fmt.Errorf("%s: %w, want a table of comma-separated values", o.AttributesPath, mistake)
	}
	a, err := parseAttributes(strings.TrimPrefix(string(text), "\ufeff"), images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.AttributesPath, err)
	}
	return a, nil
}

// parseAttributes reads a table of attributes of images.
func parseAttributes(text string, images []string) (*attributes, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err == io.EOF || err == nil && strings.TrimSpace(head[0]) != "image" {
		return nil, errors.New(`line 1: want the names of columns, the first "image"`)
	}
	if err != nil {
		return nil, err
	}
	rows := map[string][]string{}
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if _, twice := rows[row[0]]; twice {
			return nil, fmt.Errorf("line %d: image %q has a line already", line, row[0])
		}
		rows[row[0]] = row[1:]
	}
	at := map[string]int{} // by the cell
	a := &attributes{}
	for image, name := range images {
		cells, found := rows[name]
		if !found {
			cells, found = rows[path.Base(name)]
		}
		if !found {
			return nil, fmt.Errorf("no line for image %q", name)
		}
		for _, cell := range cells {
			if cell = strings.TrimSpace(cell); cell == "" {
				continue
			}
			i, known := at[cell]
			if !known {
				i = len(a.all)
				at[cell] = i
				a.all = append(a.all, attribute{names: strings.Split(cell, "|")})
			}
			if has := &a.all[i].images; len(*has) == 0 || (*has)[len(*has)-1] != image {
				*has = append(*has, image)
			}
		}
	}
	a.all = slices.DeleteFunc(a.all, func(x attribute) bool { return len(x.images) < leastImages || len(images)-len(x.images) < leastImages })
	if len(a.all) == 0 {
		return nil, fmt.Errorf("no attribute that %d images or more have, and as many lack", leastImages)
	}
	return a, nil
}

// best returns the attribute whose images have the highest ranks; of equal ones, the
// one that occurs first.
func (a *attributes) best(ranks []float64) best {
	found := best{auc: -1}
	for i := range a.all {
		if auc := rank.AUC(ranks, a.all[i].images); auc > found.auc {
			found = best{i, auc}
		}
	}
	return found
}

// isNamed reports whether the first of a unit's terms is one of the attribute's
// names, and whether one of these occurs in it as a word. A word of negative
// coefficient says what is not there, and names nothing.
func (a *attribute) isNamed(terms []artefact.Term) (names, contains bool) {
	if len(terms) == 0 || !(terms[0].Coefficient > 0) {
		return false, false
	}
	word := terms[0].Word
	for _, name := range a.names {
		names = names || strings.EqualFold(word, name)
		contains = contains || strings.Contains(" "+strings.ToLower(word)+" ", " "+strings.ToLower(name)+" ")
	}
	return names, contains
}
