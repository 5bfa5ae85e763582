package explore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/report"
)

// parameters are those of a request, each at most once.
type parameters map[string]string

// maxQuery bounds the parameters of a request in bytes.
const maxQuery = 8 << 10

// readParameters reads a query, of which only some names are known.
func readParameters(raw string, known ...string) (parameters, error) {
	if len(raw) > maxQuery {
		return nil, fmt.Errorf("query of %d bytes, want at most %d", len(raw), maxQuery)
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	p := parameters{}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("parameter %.40q: want %s", name, strings.Join(known, ", "))
		}
		if len(values) != 1 {
			return nil, fmt.Errorf("parameter %s is given %d times", name, len(values))
		}
		p[name] = values[0]
	}
	return p, nil
}

// list splits a parameter at commas; nil where there is nothing.
func (p parameters) list(name string) []string {
	var list []string
	for part := range strings.SplitSeq(p[name], ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// number reads a whole number from 0 on.
func (p parameters) number(name string, other int) (int, error) {
	text, ok := p[name]
	if !ok {
		return other, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s %.40q: want a whole number", name, text)
	}
	return n, nil
}

// flag reads true or false.
func (p parameters) flag(name string, other bool) (bool, error) {
	switch text, ok := p[name]; {
	case !ok:
		return other, nil
	case text == "true" || text == "1":
		return true, nil
	case text == "false" || text == "0":
		return false, nil
	default:
		return false, fmt.Errorf("%s %.40q: want true or false", name, text)
	}
}

// questionNames are the parameters of questions about an image.
var questionNames = []string{"classes", "class", "versus", "off", "by", "list", "maps", "heads", "unusual"}

// question reads them.
func (p parameters) question() (q live.Question, err error) {
	q = live.Question{Classes: p.list("classes"), Class: p["class"], Versus: p["versus"], Off: p.list("off"), By: p["by"], Heads: p.list("heads")}
	if q.List, err = p.number("list", report.Parts); err != nil {
		return q, err
	}
	if q.Maps, err = p.number("maps", 0); err != nil {
		return q, err
	}
	q.Unusual, err = p.flag("unusual", false)
	return q, err
}

// readImage reads the number of an image.
func readImage(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("image %.40q: want its number", text)
	}
	return n, nil
}

// readToggle reads a request to take units such as one out.
func readToggle(body []byte, one string) (r live.ToggleRequest, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("body: want JSON such as {\"off\": [%q], \"by\": \"mean\"}: %w", one, foreign.Short(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("body: more than one JSON document")
	}
	return r, nil
}
