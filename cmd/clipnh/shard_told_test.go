package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/status"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

func TestWithoutShard(t *testing.T) {
	for line, want := range map[string]string{
		"collect --shard 1/2 --save-path x":                                   "collect --save-path x",
		"collect --restart --save-path x --shard=1/2":                         "collect --save-path x",
		"collect --restart=true --data-path https://u:p@h/a.tar?sig=1 -o x":   "collect --data-path https://h/a.tar -o x",
		"collect --data-path=https://u:p@h/{0..9}.tar?sig=1#f -o x --shard 1": "collect --data-path=https://h/{0..9}.tar -o x",
	} {
		if got := withoutShard(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, want %s", line, got, want)
		}
		if got, want := slices.ContainsFunc(strings.Fields(line), hasSecret), strings.Contains(line, "sig=1"); got != want {
			t.Errorf("%s: hidden %v, want %v", line, got, want)
		}
	}
}

// TestCommandThatIsKept: of commands of shards that fail the last is kept, until one has made a
// shard, which no command that fails replaces. A refusal leaves nothing.
func TestCommandThatIsKept(t *testing.T) {
	save := filepath.Join(t.TempDir(), "scores")
	failed, misused := errors.New("no space"), usage.Errorf("{top-k} 0")
	for _, step := range []struct {
		model string
		err   error
		kept  string
		error string
	}{
		{"a.pt", misused, "", ""},
		{"b.pt", failed, "b.pt", "no space"},
		{"c.pt", failed, "c.pt", "no space"},
		{"c.pt", nil, "c.pt", ""},
		{"d.pt", failed, "c.pt", "no space"},
		{"e.pt", misused, "c.pt", "no space"},
		{"f.pt", nil, "f.pt", ""},
	} {
		g := &globalOptions{files: new(cache.Store), printer: new(ui.Printer), line: []string{"collect", "--model", step.model, "--shard", "1/2"}}
		if err := g.ofShard("1/2", save, func() error { return step.err }); !errors.Is(err, step.err) {
			t.Errorf("%s: %v, want %v", step.model, err, step.err)
		}
		kept, said := "", ""
		if c := shard.CommandOf(save, 2); c != nil {
			kept = c.Words[2]
		}
		if f := (shard.Shard{Number: 1, Of: 2}).FailureOf(save); f != nil {
			said = f.Error
		}
		if kept != step.kept || said != step.error {
			t.Errorf("%s, %v: kept %q and %q, want %q and %q", step.model, step.err, kept, said, step.kept, step.error)
		}
	}
}

// TestNextAlone: what a run without shards did not finish is made by the command of its kind, not
// merged.
func TestNextAlone(t *testing.T) {
	r := &status.Result{Path: "my photos", Kind: artefact.KindScores, State: status.Begun, Next: "again"}
	const want = "run the same command again: it resumes from there: clipnh collect --save-path 'my photos', with the options that it had"
	if got := nextLine(r); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if r.Kind = ""; nextLine(r) != "" {
		t.Errorf("of an unknown kind: %q", nextLine(r))
	}
}
