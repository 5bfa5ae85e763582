package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/foreign"
)

// This file reads labels as WebDataset has them: beside an image KEY.jpg, in the same
// archive, a file KEY.cls with a number, KEY.json with one under a name, or KEY.txt.

// sampleForms are the extensions of these files, those preferred first.
var sampleForms = []string{".cls", ".json", ".txt"}

// jsonLabels are the names under which a KEY.json may have a label.
var jsonLabels = []string{"label", "cls", "class"}

// mostSample is how many bytes such a file may have.
const mostSample = 1 << 20

// keyOf splits a member's name into the key of its sample and the rest, from the first dot
// of the file's name on.
func keyOf(name string) (key, ext string) {
	at := strings.LastIndex(name, "/") + 1
	dot := strings.IndexByte(name[at:], '.')
	if dot < 0 {
		return name, ""
	}
	return name[:at+dot], name[at+dot:]
}

// sampled labels images by the files beside them; d is nil if there are none.
func (p *pack) sampled() (d *Dataset, err error) {
	type place struct {
		in  *archive.Archive
		key string
	}
	forms := sampleForms
	if p.labelKey != "" {
		forms = []string{".json"}
	}
	for _, form := range forms {
		beside := map[place]*text{}
		for i := range p.texts {
			if key, ext := keyOf(p.texts[i].of.Name); ext == form && path.Base(p.texts[i].of.Name) != classesFile {
				beside[place{p.texts[i].in, key}] = &p.texts[i]
			}
		}
		textOf := func(item *Item) *text {
			key, _ := keyOf(item.inner())
			return beside[place{item.from.(*member).in, key}]
		}
		if !slices.ContainsFunc(p.items, func(i Item) bool { return textOf(&i) != nil }) {
			continue // such as a README.txt
		}
		s, items := &said{}, []Item{}
		s.where = func(i int) string { return items[i].Path }
		for i := range p.items {
			item := p.items[i]
			t := textOf(&item)
			if t == nil {
				key, _ := keyOf(item.inner())
				p.skipped = append(p.skipped, Skipped{Path: item.Path, Name: item.Name, Reason: "no " + path.Base(key) + form + " beside it"})
				continue
			}
			if err := p.ctx.Err(); err != nil {
				return nil, err
			}
			label, err := t.label(form, p.labelKey)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.path, err)
			}
			items, s.texts = append(items, item), append(s.texts, label)
		}
		table, err := classesBeside(p.ctx, p.archives[0])
		if err != nil {
			return nil, err
		}
		labels, names, err := s.labels(p.ctx, table, p.path)
		if err != nil {
			return nil, err
		}
		for i := range items {
			items[i].Label = labels[i]
		}
		return p.labelled(&Dataset{Classes: names, ClassesFile: table, Captions: form == ".txt" && areCaptions(s.texts)}, items)
	}
	return nil, nil
}

// areCaptions reports whether texts, one for each image, look like captions: there are many, and
// more than half as many different ones as images.
func areCaptions(texts []string) bool {
	const least = 100
	if len(texts) < least {
		return false
	}
	distinct := make(map[string]bool, len(texts))
	for _, text := range texts {
		distinct[text] = true
	}
	return 2*len(distinct) > len(texts)
}

// label reads what a file says of the class of its image, a .json under key if that is not empty.
func (t *text) label(form, key string) (string, error) {
	data, err := t.in.ReadAll(t.of, mostSample)
	if err != nil {
		return "", err
	}
	label := strings.TrimSpace(string(data))
	if form == ".json" {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			return "", errors.New("not JSON with names and values")
		}
		wanted := jsonLabels
		if key != "" {
			wanted = []string{key}
		}
		for _, name := range wanted {
			raw, ok := fields[name]
			if !ok {
				continue
			}
			if label, err = jsonLabel(raw); err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
			return label, oneLine(label)
		}
		have := "it has no names"
		if len(fields) > 0 {
			have = "there are " + foreign.QuoteAll(slices.Sorted(maps.Keys(fields)))
		}
		if key != "" {
			return "", fmt.Errorf("no label under %s, %s", foreign.Quote(key), have)
		}
		err := fmt.Errorf("no label, want one under %s", strings.Join(jsonLabels, ", "))
		if len(fields) == 0 {
			return "", err
		}
		return "", hinted{err, "{label-key} gives another name: " + have}
	}
	if label == "" {
		return "", errors.New("empty, want the name or number of a class")
	}
	return label, oneLine(label)
}

// jsonLabel is a text or a whole number as a text.
func jsonLabel(raw json.RawMessage) (string, error) {
	label := string(raw)
	if strings.HasPrefix(label, `"`) {
		if err := json.Unmarshal(raw, &label); err != nil {
			return "", errors.New("not JSON with names and values")
		}
		if strings.TrimSpace(label) != "" {
			return label, nil
		}
	} else if _, err := strconv.ParseInt(label, 10, 64); err == nil {
		return label, nil
	}
	return "", fmt.Errorf("%s, want the name of a class, or its number without a decimal point", foreign.Quote(string(raw)))
}

// areSamples reports whether the first image has a file .cls or .json beside it, so that
// its folder is not its class.
func (p *pack) areSamples() bool {
	if len(p.items) == 0 {
		return false
	}
	first := p.items[0].from.(*member)
	key, _ := keyOf(first.of.Name)
	return slices.ContainsFunc(p.texts, func(t text) bool {
		of, ext := keyOf(t.of.Name)
		return t.in == first.in && of == key && ext != ".txt"
	})
}
