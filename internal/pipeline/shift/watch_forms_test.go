package shift

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// This file reads what is written for other programs by the rules of those forms.

// checkJUnit wants well-formed XML whose counts are those of its cases.
func checkJUnit(t *testing.T, r *WatchResult, tests, failures int) {
	t.Helper()
	var b bytes.Buffer
	if err := r.writeJUnit(&b); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(b.Bytes()) {
		t.Error("not UTF-8")
	}
	d := xml.NewDecoder(bytes.NewReader(b.Bytes())) // strict
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
	var suites junitSuites
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, c := range suites.Suites[0].Cases {
		if c.Failure != nil {
			failed++
		}
		if c.Name == "" || c.Class == "" {
			t.Errorf("a case without a name: %+v", c)
		}
	}
	s := suites.Suites[0]
	if len(s.Cases) != tests || s.Tests != tests || suites.Tests != tests || failed != failures || s.Failures != failures || suites.Failures != failures {
		t.Errorf("%d cases and %d failures, want %d and %d, in\n%s", len(s.Cases), failed, tests, failures, b.String())
	}
}

var (
	typeLine = regexp.MustCompile(`^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) gauge$`)
	helpLine = regexp.MustCompile(`^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\\"]+$`)
	sample   = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z]+="([^"\\\n]|\\["\\n])*"(,[a-z]+="([^"\\\n]|\\["\\n])*")*\})? (\S+)$`)
)

// checkMetrics wants what the text format of OpenMetrics 1.0 does: UTF-8, lines that end in a
// line feed, metadata before samples, families that are not interleaved and have each series
// once, numbers, and # EOF as the last line. It returns the samples.
func checkMetrics(t *testing.T, r *WatchResult) []string {
	t.Helper()
	var b bytes.Buffer
	if err := r.writeMetrics(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n# EOF\n") || strings.Count(text, "# EOF") != 1 {
		t.Errorf("not UTF-8, or no single end, in\n%s", text)
	}
	var samples []string
	family, ended, series := "", map[string]bool{}, map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(text, "# EOF\n"), "\n") {
		wrong := ""
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if ended[m[1]] {
				wrong = "a family again"
			}
			family = m[1]
			ended[family] = true
		} else if m := helpLine.FindStringSubmatch(line); m != nil {
			if m[1] != family {
				wrong = "help of another family"
			}
		} else if m := sample.FindStringSubmatch(line); m != nil {
			if m[1] != family {
				wrong = "a sample of another family"
			}
			if _, err := strconv.ParseFloat(m[len(m)-1], 64); err != nil {
				wrong = err.Error()
			}
			if key := m[1] + m[2]; series[key] {
				wrong = "a series again"
			} else {
				series[key] = true
			}
			samples = append(samples, line)
		} else if line != "" {
			wrong = "no line of the format"
		}
		if wrong != "" {
			t.Errorf("line %d: %s: %s", i+1, wrong, fmt.Sprintf("%q", line))
		}
	}
	return samples
}
