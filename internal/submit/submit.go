// Package submit hands the shards of a command to a cluster's scheduler.
//
// A Slurm or a Kubernetes says what a scheduler is to do: a task for each shard, and one
// that merges them when all are done. Its Scripts are made of the files in this folder,
// which are part of the program. Every task resumes what an earlier attempt has left, is
// told by signals to save what it has, and is retried by the exit status of the program,
// as docs/exit-status.md has them.
package submit

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/usage"
)

// Work is what schedulers of all kinds are told.
type Work struct {
	Name     string   // of the jobs; empty: that of Save
	Program  string   // as the machines of the cluster find it
	Command  string   // collect, segment or shift
	Flags    []string // of the command, --name=value, without that of the shard
	Save     string   // the path that the shards are merged to
	Shards   int      // how many
	Parallel int      // of these at once, at most; 0 is all
	CPUs     int      // of a task
	Memory   string   // of a task, as the scheduler writes it
	Retries  int      // of a failed task, after those in its place
	Pause    time.Duration
	NoMerge  bool   // leaves the shards as they are
	Layers   string // of neurons, as 9,10, whose collections Save is a folder of; empty where it is one collection

	List     []string // a command line that keeps a list of the images, which Flags name; empty is none
	ListPath string   // of that list

	FanIn int // so many shards are merged to a part before the parts are; 0: all at once
}

// A Script is what a scheduler is given.
type Script struct {
	Name   string   `json:"name"`   // list; collect, segment or shift; parts; merge; of Kubernetes jobs, which is all of them
	Submit []string `json:"submit"` // the command line that takes it on standard input; LIST, ARRAY and PARTS are the numbers of those jobs
	Text   string   `json:"text"`

	role string // in capital letters, in place of the number that the job has not yet
}

// A Job is what a scheduler has taken.
type Job struct {
	Name string `json:"name"`
	ID   string `json:"id"` // a number of Slurm, or the name of a Kubernetes job
}

// bounds of what is asked for.
const (
	maxShards = 1 << 16
	maxName   = 40 // with an ending and the number of a pod it must fit into 63
)

// Endings of the names of jobs beside that of the shards.
const (
	listName  = "-list"
	partsName = "-parts"
	mergeName = "-merge"
)

var (
	safe      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:,+=/@%-]*$`)
	jobName   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	notInName = regexp.MustCompile(`[^a-z0-9]+`)
)

// check returns an error of what no scheduler can be told, and fills in the name.
func (w *Work) check() error {
	if w.Name == "" {
		base := strings.TrimSuffix(filepath.Base(w.Save), filepath.Ext(w.Save))
		w.Name = strings.Trim("clipnh-"+notInName.ReplaceAllString(strings.ToLower(base), "-"), "-")
		if len(w.Name) > maxName {
			w.Name = strings.TrimRight(w.Name[:maxName], "-")
		}
	}
	switch {
	case !jobName.MatchString(w.Name) || len(w.Name) > maxName:
		return usage.Errorf("{name} %s: want lower case letters, digits and dashes, at most %d", foreign.Quote(w.Name), maxName)
	case w.Shards < 1 || w.Shards > maxShards:
		return usage.Errorf("{shards} %d: want 1 to %d", w.Shards, maxShards)
	case w.Parallel < 0 || w.Parallel > w.Shards:
		return usage.Errorf("{parallel} %d: want 1 to %d, the number of shards, or 0 for all", w.Parallel, w.Shards)
	case w.FanIn < 0 || w.FanIn == 1:
		return usage.Errorf("{fan-in} %d: want 2 or more shards for each part, or 0 to merge all at once", w.FanIn)
	case w.FanIn > 0 && w.NoMerge:
		return usage.Errorf("{fan-in} %d with {merge}=false: want one of them, since nothing is merged", w.FanIn)
	case w.CPUs < 1 || w.CPUs > 1024:
		return usage.Errorf("{cpus} %d: want 1 to 1024", w.CPUs)
	case w.Retries < 0 || w.Retries > 1000:
		return usage.Errorf("{retries} %d: want 0 to 1000", w.Retries)
	case w.Pause < time.Second || w.Pause > time.Hour:
		return usage.Errorf("{retry-after} %v: want 1s to 1h", w.Pause)
	}
	for _, text := range append([]string{w.Program, w.Save}, w.Flags...) {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return usage.Errorf("%s: want no control characters, line ends included, in what a scheduler is given", foreign.Quote(text))
		}
	}
	return nil
}

// parts is to how many parts shards are merged first, so that each is of at most FanIn of them; 0
// where they are merged at once. A part may be of one shard alone, if FanIn is 2: the last merge
// takes it as it is.
func (w *Work) parts() int {
	if w.FanIn == 0 || w.Shards <= w.FanIn {
		return 0
	}
	return (w.Shards + w.FanIn - 1) / w.FanIn
}

// mergeLine is the command line that merges the shards, but for which shards.
func (w *Work) mergeLine(threads int) []string {
	line := []string{"--save-path=" + w.Save, fmt.Sprintf("--threads=%d", threads)}
	if w.Layers != "" {
		line = append(line, "--neuron-layer="+w.Layers)
	}
	return line
}

// checkWords returns an error about the first value, of an option before it, that could be
// read as more than one word.
func checkWords(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if value := pairs[i+1]; value != "" && !safe.MatchString(value) {
			return usage.Errorf("{%s} %s: want letters, digits and ._:,+=/@%%-", pairs[i], foreign.Quote(value))
		}
	}
	return nil
}

//go:embed task.sh slurm.sh pod.sh kubernetes.yaml
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"sh": shellWord, "yaml": yamlText, "expand": unexpanded, "indent": indented,
}).ParseFS(files, "*.sh", "*.yaml"))

// written returns what a template makes of values.
func written(name string, values any) (string, error) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, values); err != nil {
		return "", err
	}
	return b.String(), nil
}

// plain matches a word that a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes a word for a POSIX shell.
func shellWord(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ShellLine is a command line for a POSIX shell.
func ShellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellWord(word)
	}
	return strings.Join(quoted, " ")
}

// yamlText writes a value in double quotes, as both JSON and YAML have them. Kubernetes
// takes numbers of processors so too.
func yamlText(v any) (string, error) {
	b, err := json.Marshal(fmt.Sprint(v))
	return string(b), err
}

// unexpanded keeps Kubernetes from taking $(NAME) in a text for a variable.
func unexpanded(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// indented puts n blanks before every line that is not empty.
func indented(n int, text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		if line != "\n" {
			b.WriteString(strings.Repeat(" ", n))
		}
		b.WriteString(line)
	}
	return b.String()
}
