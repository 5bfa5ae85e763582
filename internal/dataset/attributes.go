package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// An Attribute is something that is true of some images.
type Attribute struct {
	Column string   // of the table, such as colour; columns of one name are one
	Names  []string // the first is what it is called, the others say the same
	Images []int    // that have it, ascending
}

// maxAttributes bounds a file of attributes, in bytes.
const maxAttributes = 64 << 20

// ReadAttributes reads what is true of images, in the order in which it occurs first; what occurs
// in columns of several names is an attribute of each. The file
// is comma-separated values: a line of column names, of which the first is image, and then for
// each image its name and any number of attributes, each perhaps with other names after |. An
// image is found by its name, or by the last part of its path; each must have a line.
func ReadAttributes(file string, images []string) ([]Attribute, error) {
	text, err := foreign.ReadFile(file, maxAttributes)
	if err != nil {
		return nil, err
	}
	if mistake := foreign.Mistaken(text); mistake != nil {
		return nil, fmt.Errorf("%s: %w, want a table of comma-separated values", file, mistake)
	}
	all, err := parseAttributes(strings.TrimPrefix(string(text), "\ufeff"), images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

// parseAttributes reads a table of attributes of images.
func parseAttributes(text string, images []string) ([]Attribute, error) {
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
	type key struct{ column, cell string }
	at := map[key]int{}
	var all []Attribute
	for image, name := range images {
		cells, found := rows[name]
		if !found {
			cells, found = rows[path.Base(name)]
		}
		if !found {
			return nil, fmt.Errorf("no line for image %q", name)
		}
		for column, cell := range cells {
			if cell = strings.TrimSpace(cell); cell == "" {
				continue
			}
			k := key{cell: cell}
			if column+1 < len(head) {
				k.column = strings.TrimSpace(head[column+1])
			}
			i, known := at[k]
			if !known {
				i = len(all)
				at[k] = i
				all = append(all, Attribute{Column: k.column, Names: strings.Split(cell, "|")})
			}
			if has := &all[i].Images; len(*has) == 0 || (*has)[len(*has)-1] != image {
				*has = append(*has, image)
			}
		}
	}
	return all, nil
}

// MergeColumns makes attributes of the same names one, in whatever columns they are: each image
// that has one of them has it. The column is that of the first.
func MergeColumns(attributes []Attribute) []Attribute {
	at := map[string]int{} // by the names
	var all []Attribute
	for _, a := range attributes {
		names := strings.Join(a.Names, "|")
		i, known := at[names]
		if !known {
			at[names] = len(all)
			all = append(all, a)
			continue
		}
		images := slices.Concat(all[i].Images, a.Images)
		slices.Sort(images)
		all[i].Images = slices.Compact(images)
	}
	return all
}

// IsNamed reports whether a word is one of the attribute's names, and whether one of these
// occurs in it as a word.
func (a *Attribute) IsNamed(word string) (names, contains bool) {
	for _, name := range a.Names {
		names = names || strings.EqualFold(word, name)
		contains = contains || strings.Contains(" "+strings.ToLower(word)+" ", " "+strings.ToLower(name)+" ")
	}
	return names, contains
}
