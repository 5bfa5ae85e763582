package paper

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ui"
)

// A Row is one measured value.
type Row struct {
	Result  string  `json:"result"`  // which of the paper's results
	Setting string  `json:"setting"` // what was measured
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"` // %, r, ...
	// Published is the paper's value, for RN50x16 on real data; nil if the paper
	// gives none.
	Published *float64 `json:"published,omitempty"`
	// Expected is what another implementation measured on the same data, or nil.
	Expected *float64 `json:"expected,omitempty"`
	Step     string   `json:"step"` // the step whose record holds the value
}

// An Image is a figure or drawing of the report.
type Figure struct {
	Result string `json:"result"`
	Title  string `json:"title"`
	Path   string `json:"path"` // relative to the report
}

// A Missing result could not be measured.
type Missing struct {
	Result string `json:"result"`
	Why    string `json:"why"`
}

// A Report is the rows with everything needed to reproduce them.
type Report struct {
	Program string `json:"program"` // the build that wrote the report
	Model   string `json:"model"`
	Weights string `json:"weights_sha256"`
	Data    string `json:"data"`
	// Published says what the published values are of, where they are not those of RN50x16.
	Published string `json:"published,omitempty"`

	Rows    []Row     `json:"rows"`
	Figures []Figure  `json:"pictures"`
	Missing []Missing `json:"missing"`
	Steps   []Record  `json:"steps"` // in the order they ran, without their results
}

// The first bytes of a report's two files.
const (
	jsonBegin     = "{\n  \"program\": "
	markdownBegin = "# The paper's results, measured\n"
)

// CanSave returns an error that wraps cache.ErrExists if dir has a report.json or
// report.md that Save did not write.
func CanSave(dir string) error {
	for _, file := range []struct{ name, begin string }{{"report.json", jsonBegin}, {"report.md", markdownBegin}} {
		path := filepath.Join(dir, file.name)
		f, err := foreign.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, len(file.begin))
		if _, err := io.ReadFull(f, head); err != nil || string(head) != file.begin {
			return fmt.Errorf("%s: %w, and is not a report of clipnh", path, cache.ErrExists)
		}
	}
	return nil
}

// Lock keeps other runs out of dir, which it makes, until release is called: they get
// cache.ErrLocked. Steps lock what they write, but another run could come between them, and
// read what this one is about to replace.
func Lock(store *cache.Store, dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return store.LockArtefact(filepath.Join(dir, "report.json.run"))
}

// Save writes report.json and report.md to dir.
func (r *Report) Save(store *cache.Store, dir string) error {
	err := store.WriteFile(filepath.Join(dir, "report.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
	if err != nil {
		return err
	}
	return store.WriteFile(filepath.Join(dir, "report.md"), func(w io.Writer) error {
		_, err := io.WriteString(w, r.markdown())
		return err
	})
}

func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, markdownBegin+"\nModel %s (SHA-256 %.12s), data %s. %s\n", r.Model, r.Weights, r.Data, cmp.Or(r.Published, "The published figures are the paper's, of RN50x16 on real data."))
	result := ""
	expected := false
	for _, row := range r.Rows {
		expected = expected || row.Expected != nil
	}
	for _, row := range r.Rows {
		if row.Result != result {
			result = row.Result
			fmt.Fprintf(&b, "\n## %s\n\n| | here | published |", result)
			if expected {
				b.WriteString(" expected on this data |")
			}
			b.WriteString("\n|---|---:|---:|")
			if expected {
				b.WriteString("---:|")
			}
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |", row.Setting, Format(&row.Value, row.Unit), Format(row.Published, row.Unit))
		if expected {
			fmt.Fprintf(&b, " %s |", Format(row.Expected, row.Unit))
		}
		b.WriteString("\n")
		if r.lastOf(row) {
			for _, p := range r.Figures {
				if p.Result == result {
					fmt.Fprintf(&b, "\n![%s](%s)\n", p.Title, strings.ReplaceAll(p.Path, " ", "%20"))
				}
			}
		}
	}
	if len(r.Missing) > 0 {
		b.WriteString("\n## Not measured\n\n")
		for _, m := range r.Missing {
			fmt.Fprintf(&b, "- %s: %s\n", m.Result, m.Why)
		}
	}
	b.WriteString("\n## How\n")
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "\n**%s**, %s s, by %s\n\n    clipnh %s\n", s.Step, strconv.FormatFloat(s.Seconds, 'f', 1, 64), s.Program, ui.ShellLine(s.Args))
		for _, path := range slices.Sorted(maps.Keys(s.Outputs)) {
			fmt.Fprintf(&b, "    # %.12s %s\n", s.Outputs[path], path)
		}
		if s.Skipped != "" {
			fmt.Fprintf(&b, "\n%s\n", s.Skipped)
		}
	}
	return b.String()
}

// lastOf reports whether row is the last row of its result.
func (r *Report) lastOf(row Row) bool {
	last := Row{}
	for _, other := range r.Rows {
		if other.Result == row.Result {
			last = other
		}
	}
	return last.Setting == row.Setting
}

// Format formats a value with its unit; the empty string for nil.
func Format(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	switch unit {
	case "%":
		return strconv.FormatFloat(*v, 'f', 1, 64) + " %"
	case "":
		return strconv.FormatFloat(*v, 'f', 3, 64)
	}
	return strconv.FormatFloat(*v, 'f', 3, 64) + " " + unit
}
