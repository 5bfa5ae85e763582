package ui

import "testing"

func TestShellLine(t *testing.T) {
	for want, args := range map[string][]string{
		"collect --save-path demo/caches": {"collect", "--save-path", "demo/caches"},
		"info --model 'my demo/a.pt'":     {"info", "--model", "my demo/a.pt"},
		`info --model 'it'\''s.pt'`:       {"info", "--model", "it's.pt"},
	} {
		if got := ShellLine(args); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
