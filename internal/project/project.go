// Package project reads the project file: a YAML file, found from the working folder
// upward, that says what a person would otherwise type with every command.
//
// A file is a mapping. A key whose value is a mapping is a section, and the keys in it are
// settings of that section; every other key is a setting of the whole project. What the
// names mean, and which there may be, is the business of who reads the file:
//
//	model: RN50x16.pt
//	collect:
//	  dataset: images
//
// A value is a text, a number, true or false, or a list of texts and numbers. Files have at
// most 64 KiB and no anchors, aliases, tags or second documents.
package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Name is the name of the project file.
const Name = "clipnh.yaml"

const (
	maxFile     = 64 << 10 // bytes
	maxSettings = 4096     // of a file, and values of a list
)

// A File is a project file that was read.
type File struct {
	Path     string
	Settings []Setting // of the whole project, in the order of the file
	Sections []Section
}

// A Section is a named part of a file.
type Section struct {
	Name     string
	Line     int // from 1
	Settings []Setting
}

// A Setting is a key with its value.
type Setting struct {
	Key    string
	Line   int // of the key, from 1
	Kind   Kind
	Values []string // as they are written, one unless Kind is List
}

// A Kind is what a value is in YAML.
type Kind string

// The kinds.
const (
	Text   Kind = "a text"
	Number Kind = "a number"
	Truth  Kind = "true or false"
	List   Kind = "a list"
)

// Find returns the path of the project file of dir: that of dir itself, or else of the
// nearest folder above it. It is empty if there is none.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, Name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return "", err
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", nil
		}
		dir = above
	}
}

// Read reads the project file at path. Errors name the file, and the line where there is
// one.
func Read(path string) (*File, error) {
	data, err := foreign.ReadFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	file, err := Parse(data)
	if err != nil {
		var at *lineError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("%s:%d: %w", path, at.line, at.err)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file.Path = path
	return file, nil
}

// lineError is an error about a line.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

func at(n *yaml.Node, format string, args ...any) error {
	return &lineError{n.Line, fmt.Errorf(format, args...)}
}

// Parse reads a file's contents; an empty file, or one of comments only, says nothing. The
// result has no path.
func Parse(data []byte) (*File, error) {
	file := new(File)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return file, nil
	} else if err != nil {
		return nil, syntax(data, err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, at(&second, "a second document, want one")
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(data, err)
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.ShortTag() == "!!null" && top.Value == "" {
		return file, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, at(top, "not a mapping, want lines such as model: RN50x16.pt")
	}
	count := 0
	err := entries(top, &count, func(key, value *yaml.Node) error {
		if value.Kind != yaml.MappingNode {
			s, err := setting(key, value)
			file.Settings = append(file.Settings, s)
			return err
		}
		section := Section{Name: key.Value, Line: key.Line}
		if err := plain(value); err != nil {
			return err
		}
		err := entries(value, &count, func(key, value *yaml.Node) error {
			s, err := setting(key, value)
			section.Settings = append(section.Settings, s)
			return err
		})
		file.Sections = append(file.Sections, section)
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// entries calls visit with the keys and values of a mapping. Keys are texts, each there
// once. count counts them over all mappings.
func entries(n *yaml.Node, count *int, visit func(key, value *yaml.Node) error) error {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if err := plain(key); err != nil {
			return err
		}
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			return at(key, "a key that is not a text")
		}
		if line, twice := seen[key.Value]; twice {
			return at(key, "%s is on line %d already, want it once", foreign.Quote(key.Value), line)
		}
		seen[key.Value] = key.Line
		if *count++; *count > maxSettings {
			return at(key, "more than %d settings", maxSettings)
		}
		if err := visit(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// plain refuses what could make a short text long, and tags, which would say what the
// characters do not.
func plain(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return at(n, "an anchor or alias, want plain values")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return at(n, "a tag, want plain values")
	}
	return nil
}

func setting(key, value *yaml.Node) (Setting, error) {
	s := Setting{Key: key.Value, Line: key.Line}
	if err := plain(value); err != nil {
		return s, err
	}
	switch value.Kind {
	case yaml.ScalarNode:
		kind, err := scalar(key, value)
		s.Kind, s.Values = kind, []string{value.Value}
		return s, err
	case yaml.SequenceNode:
		if len(value.Content) > maxSettings {
			return s, at(value, "%s: %s, want at most %d", foreign.Quote(key.Value), quantity.Of(len(value.Content), "value"), maxSettings)
		}
		s.Kind = List
		for _, item := range value.Content {
			if err := plain(item); err != nil {
				return s, err
			}
			if item.Kind != yaml.ScalarNode {
				return s, at(item, "%s: a list in a list, want texts or numbers", foreign.Quote(key.Value))
			}
			if kind, err := scalar(key, item); err != nil {
				return s, err
			} else if kind == Truth {
				return s, at(item, "%s: %s in a list, want texts or numbers (quote a text that reads true or false)", foreign.Quote(key.Value), item.Value)
			}
			s.Values = append(s.Values, item.Value)
		}
		return s, nil
	}
	return s, at(value, "%s: a mapping in a section, want a value", foreign.Quote(key.Value))
}

func scalar(key, value *yaml.Node) (Kind, error) {
	switch value.ShortTag() {
	case "!!null":
		return "", at(key, "%s: no value, want one (or leave the key out)", foreign.Quote(key.Value))
	case "!!bool":
		return Truth, nil
	case "!!int", "!!float":
		return Number, nil
	}
	if value.Value == "" {
		return "", at(key, "%s: empty, want a value (or leave the key out)", foreign.Quote(key.Value))
	}
	return Text, nil
}

// syntax returns an error of the parser's as one with a line, if it has one.
func syntax(data []byte, err error) error {
	text := err.Error()
	var line int
	if n, _ := fmt.Sscanf(text, "yaml: line %d:", &line); n == 1 {
		_, rest, _ := bytes.Cut([]byte(text), []byte(": "))
		_, rest, _ = bytes.Cut(rest, []byte(": "))
		return &lineError{line, fmt.Errorf("not YAML: %s", foreign.Name(string(rest)))}
	}
	text = strings.TrimPrefix(text, "yaml: ")
	return &lineError{lineOf(data, text), fmt.Errorf("not YAML: %s", foreign.Name(text))}
}

// lineOf returns the line of an error that the parser gives without one: of an alias and of
// bytes that are no text it does not say where they are, and otherwise it means the first line.
func lineOf(data []byte, text string) int {
	before := []byte{}
	var name string
	switch _, err := fmt.Sscanf(text, "unknown anchor '%s", &name); {
	case err == nil:
		before, _, _ = bytes.Cut(data, []byte("*"+strings.TrimSuffix(name, "'")))
	case !utf8.Valid(data) || bytes.ContainsFunc(data, isControl):
		for len(data) > len(before) {
			r, n := utf8.DecodeRune(data[len(before):])
			if r == utf8.RuneError && n == 1 || isControl(r) {
				break
			}
			before = data[:len(before)+n]
		}
	}
	return 1 + bytes.Count(before, []byte("\n"))
}

// isControl reports whether YAML has no place for a rune.
func isControl(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n\u0085", r) }
