package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/status"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/submit"
)

// ofShard runs a command, and keeps beside the shard that it makes which command that is, and
// how it failed, for status. Without a shard it only runs it. What cannot be kept is left: the
// result does not depend on it.
func (g *globalOptions) ofShard(number, save string, run func() error) error {
	s, err := shard.Parse(number)
	if number == "" || err != nil || s.Of == 1 {
		return run()
	}
	known := shard.CommandOf(save, s.Of)
	command := shard.Command{Words: withoutShard(g.line), Hidden: slices.ContainsFunc(g.line, hasSecret)}
	if command.Folder, err = os.Getwd(); err != nil || len(g.line) == 0 {
		return run()
	}
	s.KeepCommand(g.files, save, command) // a killed run has no later chance
	err = run()
	switch code, _ := kindOfError(err); {
	case err == nil, code == exitSkipped:
		command.Worked = true
		s.KeepCommand(g.files, save, command)
		s.Forget(save)
	case errors.Is(err, context.Canceled), errors.Is(err, cache.ErrLocked): // preempted, or the work of another process
	default:
		switch {
		case known != nil && known.Worked:
			s.KeepCommand(g.files, save, *known)
		case code == exitUsage:
			s.ForgetCommand(save)
		}
		if code != exitUsage && code != exitStale { // a refusal, which changes nothing
			s.KeepFailure(g.files, save, shard.Failure{Error: g.printer.Spelled(err.Error()), Status: code})
		}
	}
	return err
}

// withoutShard is a command line without the number of its shard, what discards a result, and
// what is secret in addresses.
func withoutShard(line []string) []string {
	var words []string
	for i := 0; i < len(line); i++ {
		word := line[i]
		switch name, _, _ := strings.Cut(word, "="); {
		case word == "--shard":
			i++
			continue
		case name == "--shard", name == "--restart":
			continue
		}
		if name, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(name, "-") {
			word = name + "=" + remote.Shown(value)
		}
		words = append(words, remote.Shown(word))
	}
	return words
}

// hasSecret reports whether a word of a command line, or the value in it, is an address with
// something that withoutShard leaves out.
func hasSecret(word string) bool {
	if _, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(word, "-") {
		word = value
	}
	return !strings.EqualFold(remote.Shown(word), word)
}

// nextLine is the command line that merges the shards, or makes those that are to be run again,
// or the beginning of the one that makes what a run without shards did not finish; empty where it
// is not known.
func nextLine(r *status.Result) string {
	if made, known := recipes[r.Kind]; known && r.Next != "" && len(r.Shards) == 0 {
		return fmt.Sprintf("run the same command again: it resumes from there: %s, with the options that it had", submit.ShellLine(append([]string{"clipnh"}, append(strings.Fields(made.command), r.Path)...)))
	}
	if !r.Whole && len(r.Shards) > 0 && r.Counts[status.Done] == len(r.Shards) {
		return submit.ShellLine([]string{"clipnh", "merge", "--save-path", r.Path})
	}
	if r.Whole || len(r.Command) == 0 || len(r.Again) == 0 {
		return ""
	}
	number, numbers := "N", " for N = "+status.Ranges(r.Again)
	if len(r.Again) == 1 {
		number, numbers = fmt.Sprint(r.Again[0]), ""
	}
	words := append([]string{"clipnh"}, r.Command...)
	line := submit.ShellLine(append(words, "--shard", fmt.Sprintf("%s/%d", number, len(r.Shards)))) + numbers
	if here, err := os.Getwd(); err != nil || here != r.Folder {
		line = submit.ShellLine([]string{"cd", r.Folder}) + " && " + line
	}
	return line
}
