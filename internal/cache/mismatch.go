package cache

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MismatchError is the error for an artefact that was made from other inputs or
// options than the caller expects. It is ErrStale.
type MismatchError struct {
	Path        string
	Differences []Difference // at least one
	Asked       bool         // OnMismatch can decide about it
	hint        string
}

// Difference is one property of an artefact that is not as expected. Both sides are
// JSON, or empty if the property is absent.
type Difference struct {
	Field string // origin.model, shape, ...
	Made  string // what the artefact has
	This  string // what is expected
}

func (e *MismatchError) Error() string {
	d := e.Differences[0]
	text := e.Path + ": " + d.text()
	if len(e.Differences) > 1 {
		var more []string
		for _, d := range e.Differences[1:] {
			more = append(more, name(d.Field)+d.count())
		}
		text += "; also differing: " + strings.Join(more, ", ")
	}
	return text
}

// text describes the difference. A hash tells nobody anything.
func (d Difference) text() string {
	switch {
	case d.ofCuts() && isEmpty(d.Made):
		return "made in chunks that do not end with archives, as older builds make them; those of this run do"
	case d.ofCuts() && isEmpty(d.This):
		return "made in chunks that end with archives; those of this run do not, as older builds make them"
	case d.ofCuts():
		return "made in chunks that end with other archives than those of this run"
	case isHash(d.Made) && isHash(d.This):
		return fmt.Sprintf("made with other %s than this run uses", name(d.Field))
	case isHash(d.Made) && isEmpty(d.This):
		return fmt.Sprintf("made with %s; this run uses none", name(d.Field))
	case isEmpty(d.Made) && isHash(d.This):
		return fmt.Sprintf("made without %s, which this run uses", name(d.Field))
	case isEmpty(d.Made):
		return fmt.Sprintf("made without %s; this run uses %s", name(d.Field), brief(d.This))
	case isEmpty(d.This):
		return fmt.Sprintf("made with %s %s; this run uses none", name(d.Field), brief(d.Made))
	}
	return fmt.Sprintf("made with %s %s; this run uses %s", name(d.Field), brief(d.Made), brief(d.This))
}

// ofPairs reports whether one side is of pairs and the other of neurons, which cannot be used
// in its place: it has another shape.
func (d Difference) ofPairs() bool {
	pairs := func(mode string) bool { return mode == `"nh"` || mode == `"neur_head_reprs"` } // of svd, and of masks
	return d.Field == "origin.mode" && pairs(d.Made) != pairs(d.This) && !isEmpty(d.Made) && !isEmpty(d.This)
}

// ofCuts reports whether chunks end at other places. These are too many to be named.
func (d Difference) ofCuts() bool { return d.Field == "cuts" || d.Field == "origin.shard.cuts" }

// count says both sides of a number, such as that of images.
func (d Difference) count() string {
	made, err := strconv.Atoi(d.Made)
	this, err2 := strconv.Atoi(d.This)
	if err != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf(" (%d, this run %d)", made, this)
}

// isEmpty reports whether one side of a difference is absent or empty.
func isEmpty(value string) bool { return value == "" || value == `""` || value == "null" }

// OfImagesOnly reports whether the two sides have other images, and nothing else is different.
func (e *MismatchError) OfImagesOnly() bool {
	images := false
	for _, d := range e.Differences {
		switch d.Field {
		case "origin.images.images_sha256":
			images = true
		case "inputs", "origin.shard.inputs_in_all", "cuts", "origin.shard.cuts":
		default:
			return false
		}
	}
	return images
}

// Is makes every mismatch ErrStale.
func (e *MismatchError) Is(target error) bool { return target == ErrStale }

// Hint returns advice for the user.
func (e *MismatchError) Hint() string { return e.hint }

// name returns a field's name for messages: origin.images.sample_stride is "sample
// stride", and origin.parents.embeddings is "embeddings".
func name(field string) string {
	field = field[strings.LastIndexByte(field, '.')+1:]
	if field == "tensors_sha256" {
		return "weights"
	}
	return strings.ReplaceAll(strings.TrimSuffix(field, "_sha256"), "_", " ")
}

// isHash reports whether one side of a difference is a SHA-256.
func isHash(value string) bool {
	const digits = 64
	text := strings.Trim(value, `"`)
	return len(text) == digits && isHex(text, digits/2)
}

// brief shortens one side of a difference.
func brief(value string) string {
	const most = 60
	text := strings.Trim(value, `"`)
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// unwritten is what a field means that is left out where it has this value.
var unwritten = map[string]string{"origin.code.method": `"omp"`}

// differences lists the fields in which made and this differ, those of the
// model first.
func differences(made, this any) ([]Difference, error) {
	a, err := flatten(made)
	if err != nil {
		return nil, err
	}
	b, err := flatten(this)
	if err != nil {
		return nil, err
	}
	settleWeights(a, b)
	for _, fields := range []map[string]string{a, b} {
		maps.DeleteFunc(fields, func(field, _ string) bool { return follows(field) })
	}
	var out []Difference
	for field, value := range a {
		if b[field] != value {
			this, both := b[field]
			if !both {
				this = unwritten[field]
			}
			out = append(out, Difference{field, value, this})
		}
	}
	for field, value := range b {
		if _, both := a[field]; !both {
			out = append(out, Difference{field, unwritten[field], value})
		}
	}
	sortDifferences(out)
	return out, nil
}

// follows reports whether a field of a manifest follows from others that are compared, so
// that it makes no difference that older builds did not write it.
func follows(field string) bool {
	return field == "origin.images.names_sha256" || strings.HasPrefix(field, "origin.prepared.") || strings.HasPrefix(field, "origin.subjects.") || strings.HasPrefix(field, "origin.earlier_edits")
}

// settleWeights keeps, of the two hashes of a checkpoint, the one that decides whether two
// sides were made with the same weights: that of the tensors where both have it, otherwise
// that of the file.
func settleWeights(a, b map[string]string) {
	const file, tensors = "origin.weights_sha256", "origin.tensors_sha256"
	drop := tensors
	if !isEmpty(a[tensors]) && !isEmpty(b[tensors]) {
		drop = file
	}
	delete(a, drop)
	delete(b, drop)
}

// sortDifferences puts first what the user most likely changed by mistake.
func sortDifferences(all []Difference) {
	order := []string{
		"kind", "origin.model", "origin.weights_sha256", "origin.tensors_sha256", "origin.images.dataset", "origin.mode", "origin.images.sample_stride",
		"origin.precision", "origin.images.images_sha256",
	}
	rank := func(d Difference) int {
		if at := slices.Index(order, d.Field); at >= 0 {
			return at
		}
		return len(order)
	}
	slices.SortFunc(all, func(x, y Difference) int {
		if rank(x) != rank(y) {
			return rank(x) - rank(y)
		}
		return strings.Compare(x.Field, y.Field)
	})
}

// flatten maps the path of every value that is not an object, such as origin.model,
// to its JSON.
func flatten(v any) (map[string]string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var walk func(path string, data json.RawMessage) error
	walk = func(path string, data json.RawMessage) error {
		if data[0] != '{' {
			out[path] = string(data)
			return nil
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
		for key, value := range object {
			if path != "" {
				key = path + "." + key
			}
			if err := walk(key, value); err != nil {
				return err
			}
		}
		return nil
	}
	return out, walk("", data)
}
