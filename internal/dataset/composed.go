package dataset

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Names of files may have a letter with an accent as one character or as two, which look alike:
// macOS and archives made there have two, most tables one.

// composed is a name with such letters as one character.
func composed(name string) string { return norm.NFC.String(name) }

// Join returns, for each image, which of Known tells of it, or -1. A row is of the image
// that has its name, or has it in its archive; any other row is of the image whose path ends
// in the row's, at a folder boundary, or in whose path the row's ends, so that a file name
// alone is of that file in any folder. The row with most folders in common counts. It is an
// error if there are several, or if a row is of several images.
//
// What is left is joined in the same way by names of one Unicode form, but for images, and
// rows, whose names differ in their form only.
func (l *Labels) Join(images []string) ([]int, error) {
	joined, err := l.joinSpelled(images)
	if err != nil || !slices.Contains(joined, -1) || l.Unused(joined) == 0 {
		return joined, err
	}
	rows := make([]string, len(l.Known))
	for i, k := range l.Known {
		rows[i] = k.Image
	}
	inForm, counts := inOneForm(images)
	rowsInForm, rowCounts := inOneForm(rows)
	if slices.Equal(inForm, images) && slices.Equal(rowsInForm, rows) {
		return joined, nil
	}
	taken := make([]bool, len(rows))
	var leftImages, leftRows []int
	for i, row := range joined {
		if row >= 0 {
			taken[row] = true
		} else if counts[inForm[i]] == 1 && !ascii(images[i]) {
			leftImages = append(leftImages, i)
		}
	}
	rest := &Labels{Path: l.Path}
	for row, name := range rowsInForm {
		if !taken[row] && rowCounts[name] == 1 && !ascii(name) {
			leftRows = append(leftRows, row)
			rest.Known = append(rest.Known, Labelled{Image: name})
		}
	}
	var names []string
	for _, i := range leftImages {
		names = append(names, inForm[i])
	}
	more, err := rest.joinSpelled(names)
	if err != nil {
		return nil, err
	}
	for k, row := range more {
		if row >= 0 {
			joined[leftImages[k]] = leftRows[row]
		}
	}
	return joined, nil
}

// inOneForm returns names composed, and how many of them are the same then.
func inOneForm(names []string) (inForm []string, counts map[string]int) {
	inForm, counts = make([]string, len(names)), make(map[string]int, len(names))
	for i, name := range names {
		inForm[i] = composed(name)
		counts[inForm[i]]++
	}
	return inForm, counts
}

// ascii reports whether a name has one form only.
func ascii(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
}
