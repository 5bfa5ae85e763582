package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/ui"
)

// unitsOptions name units, on the command line or in a file.
type unitsOptions struct {
	pairs, file string
	except      bool
}

// addFlags adds the flags; what says what happens to the units, such as "take out".
func (o *unitsOptions) addFlags(fs *pflag.FlagSet, what string) {
	fs.StringVar(&o.pairs, "pairs", "", what+" the units of `LIST`, such as h21n624,h3n7; n624 is the neuron, or all of its pairs")
	fs.StringVar(&o.file, "units-file", "", what+" the units of `FILE`, one per line; may be combined with --pairs")
	fs.BoolVar(&o.except, "except", false, what+" all units but those of --pairs and --units-file")
}

// named reports whether units were named.
func (o *unitsOptions) named() bool { return o.pairs != "" || o.file != "" }

func (o *unitsOptions) validate() error {
	if o.except && !o.named() {
		return errors.New("--except needs --pairs or --units-file, whose units it spares")
	}
	for _, name := range splitUnits(o.pairs) {
		if !pairName.MatchString(name) {
			return fmt.Errorf("--pairs %q: want units, such as h21n624,h3n7 or n624", name)
		}
	}
	return nil
}

// names returns the names of the units, those of the file last.
func (o *unitsOptions) names(say *ui.Printer) ([]string, error) {
	names := splitUnits(o.pairs)
	if o.file == "" {
		return names, nil
	}
	lines, err := readUnits(o.file, say)
	return append(names, lines...), err
}

// readUnits returns the names of units in a file, one per line.
func readUnits(path string, say *ui.Printer) ([]string, error) {
	lines, err := readTexts(path, say)
	if err != nil {
		return nil, err
	}
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
		if !pairName.MatchString(lines[i]) {
			return nil, fmt.Errorf("%s: line %d: %q, want a unit, such as h21n624 or n624", path, i+1, line)
		}
	}
	return lines, nil
}
