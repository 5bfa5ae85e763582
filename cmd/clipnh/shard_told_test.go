package main

import (
	"slices"
	"strings"
	"testing"
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
	}
}
