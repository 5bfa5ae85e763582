package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/format"

	"github.com/clipnh/clipnh/internal/foreign"
)

// labelNames are the columns that may have labels, those preferred first.
var labelNames = []string{"label", "labels", "class", "cls"}

// imageNames are the columns without a path that may have images.
var imageNames = []string{"image", "img", "jpg", "jpeg", "png", "webp"}

// columns are the columns of images.
type columns struct {
	bytes, path, label *column // path and label may be nil
	classes            []string
}

// A column is a column of values.
type column struct {
	place  int // among those of a row group
	name   string
	kind   format.Type
	levels int // the definition level of a value that is there
}

// A group is a column at the top of the schema.
type group struct {
	name     string
	bytes    *column // of a struct's bytes, or the column itself
	path     *column
	repeated bool
	isStruct bool
}

// findColumns finds the column of images, which has to be the only one, and that of labels, of the
// name label if it is not empty.
func findColumns(meta *format.FileMetaData, label string) (*columns, error) {
	groups, err := readSchema(meta.Schema)
	if err != nil {
		return nil, err
	}
	var names []string
	var images []*group
	for i := range groups {
		g := &groups[i]
		names = append(names, foreign.Name(g.name))
		if g.isStruct && !g.repeated && g.bytes != nil && g.bytes.kind == format.ByteArray {
			images = append(images, g)
		}
	}
	if images == nil {
		for i := range groups {
			g := &groups[i]
			if !g.isStruct && !g.repeated && g.bytes.kind == format.ByteArray && slices.Contains(imageNames, strings.ToLower(g.name)) {
				images = append(images, g)
			}
		}
	}
	switch {
	case images == nil:
		err := fmt.Errorf("no column of images among %s", strings.Join(names[:min(len(names), 20)], ", "))
		if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(strings.ToLower(n), "url") }) {
			return nil, hinted{err, "download the images first, for instance with img2dataset, and give the shards that it writes"}
		}
		return nil, hinted{err, "want a struct with a field bytes, as Hugging Face's data sets have, or a column " + strings.Join(imageNames, ", ")}
	case len(images) > 1:
		return nil, hinted{
			fmt.Errorf("%d columns of images, %s and %s among them, want one", len(images), foreign.Name(images[0].name), foreign.Name(images[1].name)),
			"write the file again with one of them",
		}
	}
	c := &columns{bytes: images[0].bytes, path: images[0].path}
	wanted := labelNames
	if label != "" {
		wanted = []string{label}
	}
	for _, want := range wanted {
		at := slices.IndexFunc(groups, func(g group) bool { return g.name == want })
		if at < 0 || groups[at].isStruct || groups[at].repeated {
			continue
		}
		switch groups[at].bytes.kind {
		case format.Int32, format.Int64, format.ByteArray:
			c.label = groups[at].bytes
			c.classes, err = classesOf(meta, want)
			return c, err
		}
	}
	if label == "" {
		return c, nil
	}
	var others []string
	for i := range groups {
		if g := &groups[i]; g.name == label {
			return nil, fmt.Errorf("column %s: no whole numbers or texts, want labels", foreign.Quote(label))
		} else if g != images[0] {
			others = append(others, g.name)
		}
	}
	if others == nil {
		return nil, fmt.Errorf("no column %s of labels, only one of images", foreign.Quote(label))
	}
	return nil, fmt.Errorf("no column %s of labels, there are %s", foreign.Quote(label), foreign.QuoteAll(others))
}

// readSchema returns the columns at the top of a schema, which lists a tree in the order of
// a walk from its root.
func readSchema(schema []format.SchemaElement) ([]group, error) {
	groups, leaf, next := []group(nil), 0, 1
	var visit func(g *group, depth, levels int, repeated bool) error
	visit = func(g *group, depth, levels int, repeated bool) error {
		const deepest = 64
		if next == len(schema) || depth == deepest {
			return errors.New("damaged directory: its columns are not a tree")
		}
		e := &schema[next]
		next++
		if e.RepetitionType.Valid && e.RepetitionType.V != format.Required {
			levels++
			repeated = repeated || e.RepetitionType.V == format.Repeated
		}
		if depth == 0 {
			g.name, g.isStruct = e.Name, !e.Type.Valid
		}
		if e.Type.Valid {
			c := &column{place: leaf, name: e.Name, kind: e.Type.V, levels: levels}
			leaf++
			switch {
			case depth == 0, depth == 1 && e.Name == "bytes":
				g.bytes, g.repeated = c, repeated
			case depth == 1 && e.Name == "path" && c.kind == format.ByteArray && !repeated:
				g.path = c
			}
			return nil
		}
		for range e.NumChildren.V {
			if err := visit(g, depth+1, levels, repeated); err != nil {
				return err
			}
		}
		return nil
	}
	for next < len(schema) {
		var g group
		if err := visit(&g, 0, 0, false); err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// classesOf returns the names of classes that Hugging Face's library writes beside a column
// of numbers; nil if there are none.
func classesOf(meta *format.FileMetaData, label string) ([]string, error) {
	for _, kv := range meta.KeyValueMetadata {
		if kv.Key != "huggingface" {
			continue
		}
		var said struct {
			Info struct {
				Features map[string]json.RawMessage `json:"features"`
			} `json:"info"`
		}
		var feature struct {
			Type  string   `json:"_type"`
			Names []string `json:"names"`
		}
		if json.Unmarshal([]byte(kv.Value), &said) != nil || json.Unmarshal(said.Info.Features[label], &feature) != nil {
			return nil, nil // another program's notes
		}
		if feature.Type != "ClassLabel" {
			return nil, nil
		}
		return feature.Names, nil
	}
	return nil, nil
}
