package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestRecipes holds that every kind of artefact has a recipe, that there are no others,
// and that the commands have the flags.
func TestRecipes(t *testing.T) {
	for kind, r := range recipes {
		line := r.command + " x"
		if r.restart {
			line += " --restart"
		}
		cmd, rest, err := newRootCommand(new(globalOptions)).Find(strings.Fields(line))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil {
			t.Errorf("%s: %q: %v", kind, line, err)
		} else if has := cmd.Flags().Lookup("restart") != nil; r.restart != has {
			// Without it the printed command refuses to replace what was made from other inputs.
			t.Errorf("%s: %s has --restart: %t, but its recipe says %t", kind, cmd.Name(), has, r.restart)
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../../internal/artefact/kind.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Kind") {
			kinds++
			kind, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if _, ok := recipes[kind]; !ok {
				t.Errorf("no recipe for %q", kind)
			}
		}
		return true
	})
	if kinds != len(recipes) {
		t.Errorf("%d kinds, but %d recipes", kinds, len(recipes))
	}
}

// TestRemakePart: a part of shards is made again by the merge that made it.
func TestRemakePart(t *testing.T) {
	m := cache.Manifest{Kind: artefact.ShardKind(artefact.KindStatistics)}
	for want, of := range map[string]*origin.Shard{
		`clipnh collect --shard 3/16 --restart`:  {Number: 3, Of: 16},
		`clipnh merge --shards 1-4/16 --restart`: {Number: 1, Last: 4, Of: 16},
	} {
		m.Origin.Shard = of
		if got := remakeHint("x", m); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestWithRecipe(t *testing.T) {
	missing, damaged := fmt.Errorf("p: %w", cache.ErrMissing), fmt.Errorf("p: %w", cache.ErrDamaged)
	for _, tt := range []struct {
		err        error
		kind, hint string
	}{
		{missing, artefact.KindComponents, `run "clipnh svd --out-save-path p" first`},
		{missing, artefact.KindScores, `run "clipnh collect --save-path p" first`},
		{damaged, artefact.KindComponents, `make it again: "clipnh svd --out-save-path p --restart"`},
		{damaged, artefact.KindCodes, `make it again: "clipnh sparse --decomposition-save-path p --restart"`},
		{damaged, artefact.KindHeads, `run "clipnh verify --repair --model FILE --data-path DIR p", or make it again: "clipnh collect --mode heads --save-path p --restart"`},
		{missing, "unheard of", ""},
		{errors.New("p: empty"), artefact.KindScores, ""},
		{cache.ErrLocked, artefact.KindScores, ""},
		{hinted{missing, "look elsewhere"}, artefact.KindScores, "look elsewhere"},
	} {
		cause := &artefact.Error{Kind: tt.kind, Path: "p", Err: tt.err}
		if errors.Is(tt.err, cache.ErrDamaged) {
			cause.Damaged = &cache.Manifest{Kind: tt.kind}
		}
		got := withRecipe(cause)
		var h hinter
		hint := ""
		if errors.As(got, &h) {
			hint = h.Hint()
		}
		if hint != tt.hint || got.Error() != tt.err.Error() || errors.Is(got, cache.ErrMissing) != errors.Is(tt.err, cache.ErrMissing) {
			t.Errorf("%s: %v: hint %q, want %q", tt.kind, tt.err, hint, tt.hint)
		}
	}
}

// TestForceIsNotHinted holds that no hint names --force where it would not help: norms of pairs
// in place of those of neurons have another shape.
func TestForceIsNotHinted(t *testing.T) {
	dir := t.TempDir()
	scores, norms := filepath.Join(dir, "scores"), filepath.Join(dir, "norms.npy")
	must(t, exitDone, "collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", testutil.Golden("images"), "--save-path", scores, "--quiet")
	must(t, exitDone, "svd", "--scores", scores, "--norm-save-path", norms, "--quiet")
	args := []string{"mask", "--mode", "neur_reprs", "--neurons-norms-path", norms, "--mask-save-path", filepath.Join(dir, "mask.npy")}
	for _, args := range [][]string{args, append(args, "--force")} {
		if _, stderr := must(t, exitStale, args...); strings.Contains(stderr, "--force") || !strings.Contains(stderr, "made with mode nh; this run uses n") {
			t.Errorf("%q said %q, want no word of --force", args, stderr)
		}
	}
}

// TestFlagsOfOthers holds that a flag of another command is said to be that, and not to be a
// mistake in typing one of this command.
func TestFlagsOfOthers(t *testing.T) {
	for line, want := range map[string]string{
		"show h1n2 --model m.pt": "--model is a flag of other commands, such as ",
		"show h1n2 --code c.npz": `did you mean "--codes"?`,
		"info --modle m.pt":      `did you mean "--model"?`,
		"mislead --form fish":    `did you mean "--from"?`, // --form is one of other commands

		// by meaning
		"export --out x":             `did you mean "--save-path"?`,
		"mask --save-path x":         `did you mean "--mask-save-path"?`,
		"sparse --codes-save-path x": `did you mean "--decomposition-save-path"?`,
		"report --output x":          `did you mean "--out"?`,
		"edit --pairs h1n2":          `did you mean "--remove"?`,
		"classify --texts a,b":       `did you mean "--classes"?`,
		"segment --texts a,b":        `did you mean "--classes"?`,
		"collect --weights m.pt":     `did you mean "--model"?`,
		"explore report --port 80":   `did you mean "--listen"?`,
	} {
		_, stderr := must(t, exitUsage, strings.Fields(line)...)
		if !strings.Contains(stderr, "hint: "+want) {
			t.Errorf("%s: said %q, want the hint %q", line, stderr, want)
		}
	}
}

// TestSynonyms holds that each flag that is suggested by its meaning is one of some command.
func TestSynonyms(t *testing.T) {
	for name, flags := range synonyms {
		for _, flag := range flags {
			if !slices.ContainsFunc(everyCommand(), func(cmd *cobra.Command) bool { return lookup(cmd, flag) != nil }) {
				t.Errorf("%s: no command has --%s", name, flag)
			}
		}
	}
}
