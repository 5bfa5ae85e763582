package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxConfig = 1 << 20 // bytes of a config; COCO-Stuff's has 8 kB
	maxNested = 16      // nested lists and mappings
	maxKeys   = 64      // of a mapping; the parser compares every pair of keys
)

// parseSegmentation reads a config, with defaults for missing keys.
func parseSegmentation(data []byte) (*Segmentation, error) {
	if err := checkYAML(data); err != nil {
		return nil, err
	}
	s := &Segmentation{
		LongerSide: 2048,
		LogitScale: 40,
		Pairs:      20000,
		Block:      -1,
		Sink:       true,
		Layout:     Layout{ImageSuffix: ".jpg", IgnoreIndex: 255},
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(s); err != nil {
		return nil, oneLine(err)
	}
	for i := range s.Layout.Labels {
		if source := &s.Layout.Labels[i]; source.Folder != "" && source.Suffix == "" {
			source.Suffix = ".png"
		}
	}
	return s, nil
}

// checkYAML rejects everything but one document of plain values. Aliases could
// expand a short text to gigabytes.
func checkYAML(data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return errors.New("empty, want a config")
	} else if err != nil {
		return oneLine(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document, want one")
	}
	return plain(&doc, 0)
}

func plain(n *yaml.Node, depth int) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("line %d: anchor or alias, want plain values", n.Line)
	}
	if depth > maxNested {
		return fmt.Errorf("line %d: more than %d nested lists and mappings", n.Line, maxNested)
	}
	if n.Kind == yaml.MappingNode && len(n.Content)/2 > maxKeys {
		return fmt.Errorf("line %d: %d keys, want at most %d", n.Line, len(n.Content)/2, maxKeys)
	}
	for _, inner := range n.Content {
		if err := plain(inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// UnmarshalYAML reads a class from a list of words or from one line of words.
func (c *Class) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		var err error
		if *c, err = parseClass(n.Value); err != nil {
			err = fmt.Errorf("line %d: %w", n.Line, err)
		}
		return err
	}
	*c = nil
	for _, word := range n.Content {
		name := strings.TrimSpace(word.Value)
		if word.Kind != yaml.ScalarNode || name == "" {
			return fmt.Errorf("line %d: want a word", word.Line)
		}
		*c = append(*c, name)
	}
	if len(*c) == 0 {
		return fmt.Errorf("line %d: class without a word", n.Line)
	}
	return nil
}

// oneLine turns the parser's message into one short line, without the names of the
// parser and of our types. The parser lists every mistake and quotes the file.
func oneLine(err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	message = strings.TrimPrefix(message, "unmarshal errors:\n")
	var parts []string
	for line := range strings.SplitSeq(message, "\n") {
		line, _, _ = strings.Cut(line, " in type configs.")
		line = strings.Replace(line, "field ", "unknown key ", 1)
		line = strings.TrimSuffix(line, " not found")
		parts = append(parts, strings.TrimSpace(line))
	}
	const maxMistakes = 3
	if more := len(parts) - maxMistakes; more > 0 {
		parts = append(parts[:maxMistakes], fmt.Sprintf("and %d more", more))
	}
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, strings.Join(parts, "; "))
	return fmt.Errorf("%.400s", line)
}
