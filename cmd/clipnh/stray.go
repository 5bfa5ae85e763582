package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// knownVariables are the environment variables that have a meaning.
func knownVariables() []string {
	known := []string{asset.HomeVariable, asset.MirrorVariable, cpu.Variable, debugVariable, packedSizeVariable}
	for _, flag := range sharedFlags {
		known = append(known, variableOf(flag))
	}
	return known
}

// strayVariables returns the variables of env that look like those of flags and are not.
func strayVariables(env []string) []string {
	known := knownVariables()
	var stray []string
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, presetPrefix) && value != "" && !slices.Contains(known, name) {
			stray = append(stray, name)
		}
	}
	slices.Sort(stray)
	return stray
}

// sayMisspelt warns of variables of the environment that are meant for the program and have
// no effect. Others may be another program's: config lists them.
func (g *globalOptions) sayMisspelt(cmd *cobra.Command) {
	if g.isolated || !takesPresets(cmd) {
		return
	}
	for _, name := range strayVariables(os.Environ()) {
		if meant := hint.Meant(name, knownVariables()); len(meant) > 0 {
			g.printer.Warn("%s is set and means nothing: %s", foreign.Name(name), didYouMean(meant))
		}
	}
}
