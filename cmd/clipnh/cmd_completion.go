package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

const completionHelp = `
Prints a script with which a shell completes the commands, flags and values of
clipnh: names of models (--model RN50x16), kinds of data sets, modes, and files
or folders where a path is expected. The shell has to load the script in each
session:
  bash        source <(clipnh completion bash)      needs bash-completion 2
              or write it to
              ~/.local/share/bash-completion/completions/clipnh
  zsh         write it to _clipnh in a folder of $fpath, before compinit runs
  fish        clipnh completion fish >~/.config/fish/completions/clipnh.fish
  powershell  clipnh completion powershell | Out-String | Invoke-Expression
Completion runs clipnh itself, which reads only the table of assets.`

// shells writes the script of each shell, with descriptions.
var shells = []struct {
	name  string
	write func(root *cobra.Command, w io.Writer) error
}{
	{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"zsh", func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }},
	{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
	{"powershell", func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) }},
}

func shellNames() []string {
	names := make([]string, len(shells))
	for i, s := range shells {
		names[i] = s.name
	}
	return names
}

func newCompletionCommand(g *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:         "completion SHELL",
		Short:       "Print a script that lets a shell complete commands and flags",
		Long:        completionHelp,
		Example:     "clipnh completion bash",
		ValidArgs:   shellNames(),
		Annotations: exitStatus(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("want one of %s", strings.Join(shellNames(), ", "))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCompletion(cmd.Root(), args[0], g)
		},
	}
}

func runCompletion(root *cobra.Command, shell string, g *globalOptions) error {
	for _, s := range shells {
		if s.name != shell {
			continue
		}
		var script bytes.Buffer
		if err := s.write(root, &script); err != nil {
			return err
		}
		return g.printer.Text(script.String())
	}
	return usageError{fmt.Errorf("shell %q: want one of %s", shell, strings.Join(shellNames(), ", "))}
}
