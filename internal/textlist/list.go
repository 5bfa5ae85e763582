package textlist

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A List is what ReadList made of a file that a person wrote or found.
type List struct {
	Texts    []string
	Warnings []string // how it was read where that is not plain, in a line each
}

// ReadList returns the texts of the list at path, one a line as ReadFile takes
// them, or in one of the forms that lists of class names are passed around in:
//
//	["tench", "goldfish"]         JSON, also with a text a line
//	{"0": "tench", "1": ...}      JSON, of the numbers from 0
//	0: tench                      numbered from 0 or 1, with a colon, bracket or full stop
//	"tench",                      in quotes, single or double, with or without commas
//	{0: 'tench, Tinca tinca',     a Python dict, a text a line
//
// What was left out is said in warnings, and so is what looks like one of these
// and is not, which is taken as it stands. Use ReadFile where a line is a name
// that means itself.
func ReadList(path string) (List, error) {
	file, err := foreign.Open(path)
	if err != nil {
		return List{}, err
	}
	defer file.Close()
	list, err := ParseList(file)
	if err != nil {
		return List{}, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// ParseList is ReadList of what r has. Memory stays below forty times its length.
func ParseList(r io.Reader) (List, error) {
	text, err := readText(r, maxFile)
	if err != nil {
		return List{}, err
	}
	switch text[0] {
	case '[':
		var texts []string
		if err := json.Unmarshal([]byte(text), &texts); err == nil {
			return listed(texts, "a JSON list")
		} else if json.Valid([]byte(text)) {
			return List{}, errors.New("a JSON list that holds other values than texts, want texts")
		}
	case '{':
		var byNumber map[string]string
		if err := json.Unmarshal([]byte(text), &byNumber); err == nil {
			texts, err := inOrder(byNumber)
			if err != nil {
				return List{}, err
			}
			return listed(texts, "a JSON object")
		} else if json.Valid([]byte(text)) {
			return List{}, errors.New(`a JSON object that holds other values than texts, want {"0": "a text", "1": ...}`)
		}
	}
	lines, err := split(text)
	if err != nil {
		return List{}, err
	}
	if last := lines[len(lines)-1]; len(lines) == 1 && lines[0][0] == '[' && last[len(last)-1] == ']' && strings.Contains(last, ",") {
		return List{}, errors.New("a list in brackets that is not JSON, want one text a line, or JSON's double quotes")
	}
	list := List{Texts: lines}
	list.withoutNumbers()
	list.withoutQuotes()
	for i, line := range list.Texts {
		if err := check(line); err != nil {
			return List{}, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return list, nil
}

func (l *List) warn(format string, args ...any) {
	l.Warnings = append(l.Warnings, fmt.Sprintf(format, args...))
}

// listed makes a list of texts that were not lines.
func listed(texts []string, form string) (List, error) {
	if len(texts) == 0 {
		return List{}, fmt.Errorf("%s without texts, want at least one", form)
	}
	for i, text := range texts {
		texts[i] = strings.TrimRight(text, " \t\r\n")
		err := check(texts[i])
		if err == nil && strings.ContainsAny(texts[i], "\r\n") {
			err = errors.New("a line break, want a text of one line")
		}
		if err != nil {
			return List{}, fmt.Errorf("text %d: %w", i+1, err)
		}
	}
	l := List{Texts: texts}
	l.warn("%s: it is read as %s, of which the first is %s", form, quantity.Of(len(texts), "text"), foreign.Quote(texts[0]))
	return l, nil
}

// inOrder returns the texts of the keys "0", "1" and so on.
func inOrder(byNumber map[string]string) ([]string, error) {
	texts := make([]string, len(byNumber))
	for i := range texts {
		text, ok := byNumber[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("a JSON object of %s without the key \"%d\", want the numbers from 0", quantity.Of(len(texts), "text"), i)
		}
		texts[i] = text
	}
	return texts, nil
}

// number splits "12: text": the number, what stands behind it, and the text.
func number(line string) (n int, mark byte, text string, ok bool) {
	end := 0
	for end < len(line) && '0' <= line[end] && line[end] <= '9' {
		end++
	}
	const digits = 9
	if end == 0 || end > digits || end == len(line) {
		return 0, 0, "", false
	}
	n, _ = strconv.Atoi(line[:end])
	mark, text = line[end], strings.TrimLeft(line[end+1:], " \t")
	switch mark {
	case ':', ')':
	case '.', ',': // not those of a number
		if end+1 == len(line) || line[end+1] != ' ' {
			return 0, 0, "", false
		}
	default:
		return 0, 0, "", false
	}
	return n, mark, text, text != ""
}

// withoutNumbers leaves out the numbers of lines that count from 0 or 1, and the
// braces of a Python dict around them.
func (l *List) withoutNumbers() {
	last := len(l.Texts) - 1
	braces := l.Texts[0][0] == '{' && strings.HasSuffix(l.Texts[last], "}")
	bare := func(i int) string {
		line := strings.TrimLeft(l.Texts[i], " \t")
		if braces {
			if i == 0 {
				line = strings.TrimLeft(line[1:], " \t")
			}
			if i == last {
				line = strings.TrimRight(strings.TrimSuffix(line, "}"), " \t")
			}
		}
		return line
	}
	if last < 1 {
		return
	}
	first, mark, _, ok := number(bare(0))
	ordered := first <= 1
	for i := 1; ok && i <= last; i++ {
		n, m, _, is := number(bare(i))
		ok = is && m == mark
		ordered = ordered && n == first+i
	}
	switch {
	case !ok:
		return
	case !ordered:
		l.warn("every line begins with a number, as %s does, but not in order: the numbers are kept as part of the texts", foreign.Quote(l.Texts[0]))
		return
	}
	l.warn("lines are numbered from %d to %d: the numbers are left out", first, first+last)
	for i := range l.Texts {
		_, _, text, _ := number(bare(i))
		l.Texts[i] = text
	}
}

// quoted returns what stands in the quotes that a line is in, with or without a
// comma behind. bad says that the same quotes are within too.
func quoted(line string) (text string, bad, ok bool) {
	line = strings.TrimRight(strings.TrimSuffix(strings.TrimLeft(line, " \t"), ","), " \t")
	if len(line) < 3 || line[0] != '"' && line[0] != '\'' || line[len(line)-1] != line[0] {
		return "", false, false
	}
	text = line[1 : len(line)-1]
	return text, strings.IndexByte(text, line[0]) >= 0, true
}

// withoutQuotes leaves out the quotes that every line is in. Python's lists have
// either kind, the double ones around texts with an apostrophe.
func (l *List) withoutQuotes() {
	in, bad := 0, 0
	for _, line := range l.Texts {
		if _, within, ok := quoted(line); ok {
			in++
			if within {
				bad++
			}
		}
	}
	example := foreign.Quote(l.Texts[0])
	switch {
	case in == 0:
	case in < len(l.Texts):
		l.warn("%d of %s %s in quotes, which are kept as part of the text", in, quantity.Of(len(l.Texts), "text"), quantity.Is(in))
	case bad > 0:
		l.warn("texts are in quotes, as %s is, but %d of %s %s others inside: quotes are kept as part of the texts", example, bad, quantity.Of(in, "text"), quantity.Has(bad, in))
	default:
		l.warn("texts are in quotes, as %s is: the quotes are left out", example)
		for i, line := range l.Texts {
			text, _, _ := quoted(line)
			l.Texts[i] = strings.TrimRight(text, " \t")
		}
	}
}
