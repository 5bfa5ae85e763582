package shift

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/quantity"
)

// This file writes what a Watch found for programs that watch: JUnit for builds, and
// OpenMetrics for monitors. Neither has a time, so that the same result has the same bytes.

// What says that such a file is ours, and may be replaced: its beginning.
const (
	junitMark   = xml.Header + "<!-- Written by clipnh watch -->\n"
	metricsMark = "# TYPE clipnh_watch_"
)

func (o WatchOptions) canWriteReports() error {
	for path, of := range map[string]struct{ mark, what string }{
		o.JUnitPath: {junitMark, "a JUnit file of watch"}, o.MetricsPath: {metricsMark, "an OpenMetrics file of watch"},
	} {
		if path == "" {
			continue
		}
		err := figure.CanReplace(path, of.what, func(f *os.File) (bool, error) {
			begin := make([]byte, len(of.mark))
			_, err := io.ReadFull(f, begin)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return string(begin) == of.mark, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeReports writes the files, and takes back the paths of those that it could not.
func (r *WatchResult) writeReports(o WatchOptions) error {
	var errs []error
	for _, f := range []struct {
		path  string
		said  *string
		write func(io.Writer) error
	}{{o.JUnitPath, &r.JUnit, r.writeJUnit}, {o.MetricsPath, &r.Metrics, r.writeMetrics}} {
		if f.path == "" {
			continue
		}
		if err := o.Store.WriteFile(f.path, f.write); err != nil {
			*f.said = ""
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
}

// writeJUnit writes a test case for each concept, or, where there are none, one for all
// pairs and one for each that exceeds FailAbove, as far as they are listed.
func (r *WatchResult) writeJUnit(to io.Writer) error {
	exceeds := func(c Change) bool { return r.FailAbove != nil && c.Changed && c.size > *r.FailAbove }
	suite := junitSuite{Name: r.Judges() + "s of " + r.Scores}
	add := func(name, message string) {
		c := junitCase{Class: "clipnh.watch." + r.Judges(), Name: name}
		if message != "" {
			c.Failure = &junitFailure{"shift", message}
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
	}
	message := func(c Change) string {
		if !exceeds(c) {
			return ""
		}
		return fmt.Sprintf("mean %g, %g in %s: changed by %s standard deviations (q %.2g), more than %g", c.Mean, c.ReferenceMean, r.Reference, signed(c), c.Q, *r.FailAbove)
	}
	for _, c := range r.allConcepts {
		add(c.Name, message(c))
	}
	if r.WatchedConcepts == 0 {
		text := ""
		if r.Exceeding > 0 {
			text = fmt.Sprintf("%d of %s changed by more than %g standard deviations", r.Exceeding, quantity.Of(r.WatchedPairs, "pair"), *r.FailAbove)
		}
		add("all pairs", text)
		for _, c := range r.Pairs {
			if exceeds(c) {
				add(c.Name, message(c))
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(junitMark)
	e := xml.NewEncoder(&b)
	e.Indent("", " ")
	if err := e.Encode(junitSuites{Name: "clipnh watch", Tests: suite.Tests, Failures: suite.Failures, Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := to.Write(b.Bytes())
	return err
}

// signed writes a difference with its sign, which may be infinite.
func signed(c Change) string {
	if c.Difference == nil {
		return fmt.Sprintf("%+.2f", math.Copysign(math.Inf(1), c.Mean-c.ReferenceMean))
	}
	return fmt.Sprintf("%+.2f", *c.Difference)
}

// writeMetrics writes gauges in OpenMetrics' text format.
func (r *WatchResult) writeMetrics(to io.Writer) error {
	var b bytes.Buffer
	family := func(name, help string) func(value float64, labels ...string) {
		name = "clipnh_watch_" + name
		fmt.Fprintf(&b, "# TYPE %s gauge\n# HELP %s %s\n", name, name, help)
		return func(value float64, labels ...string) {
			b.WriteString(name)
			for i := 0; i < len(labels); i += 2 {
				fmt.Fprintf(&b, "%c%s=\"%s\"", "{,"[min(i, 1)], labels[i], escapeLabel(labels[i+1]))
			}
			if len(labels) > 0 {
				b.WriteByte('}')
			}
			fmt.Fprintf(&b, " %s\n", metricNumber(value))
		}
	}
	images := family("images", "Images of a collection.")
	images(float64(r.ReferenceImages), "collection", "reference")
	images(float64(r.Images), "collection", "scores")
	family("false_discovery_rate", "Share of false discoveries among what changed, at most.")(r.FalseDiscovery)
	watched := family("watched", "Concepts and pairs that are compared.")
	watched(float64(r.WatchedConcepts), "kind", "concept")
	watched(float64(r.WatchedPairs), "kind", "pair")
	changed := family("changed", "Concepts and pairs that are discoveries.")
	changed(float64(r.ChangedConcepts), "kind", "concept")
	changed(float64(r.ChangedPairs), "kind", "pair")
	if r.FailAbove != nil {
		family("fail_above", "Standard deviations above which a change exceeds.")(*r.FailAbove)
		family("exceeding", "Concepts, or pairs where there are none, that changed by more.")(float64(r.Exceeding), "kind", r.Judges())
	}
	listed := []struct {
		kind    string
		changes []Change
	}{{"concept", r.allConcepts}, {"pair", r.Pairs}}
	for _, f := range []struct {
		name, help string
		value      func(Change) float64
	}{
		{"change", "Difference of means in pooled standard deviations, of all concepts and the pairs that changed most.", func(c Change) float64 {
			return math.Copysign(c.size, c.Mean-c.ReferenceMean)
		}},
		{"q", "Least rate of false discoveries at which it counts as changed.", func(c Change) float64 { return c.Q }},
	} {
		gauge := family(f.name, f.help)
		for _, l := range listed {
			for _, c := range l.changes {
				gauge(f.value(c), "kind", l.kind, "name", c.Name)
			}
		}
	}
	b.WriteString("# EOF\n")
	_, err := to.Write(b.Bytes())
	return err
}

func metricNumber(x float64) string {
	if math.IsInf(x, 0) {
		return map[bool]string{true: "+Inf", false: "-Inf"}[x > 0]
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// escapeLabel writes text as the value of a label.
func escapeLabel(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}
