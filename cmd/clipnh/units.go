package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// unitsOptions name units, on the command line or in a file.
type unitsOptions struct {
	pairs, file string
	except      bool
	heads       bool   // the units are heads
	ofHeads     string // how the command takes heads in place of units; empty if it does not
}

// headName matches the name of a head, or of all heads of a layer of a vision transformer.
var headName = regexp.MustCompile(`(?i)^(l\d+|(l\d+)?h\d+)$`)

// pattern matches the names of units, as a list or a line may have them.
func (o *unitsOptions) pattern() (pattern *regexp.Regexp, list, line string) {
	if o.heads {
		return headName, "heads, such as l10h3,l11h0 or l10", "a head, such as l10h3, or l10 for all of a layer"
	}
	return pairName, "units, such as h21n624,h3n7 or n624", "a unit, such as h21n624 or n624"
}

var (
	layeredName = regexp.MustCompile(`(?i)^l\d`)
	plainName   = regexp.MustCompile(`(?i)^[hn]\d`)
)

// asNamed has the examples in a text as a vision transformer's where a name begins as its units
// do, and adds them where it begins as no unit does.
func asNamed(name, text string) string {
	switch {
	case plainName.MatchString(name):
		return text
	case !layeredName.MatchString(name):
		return text + ofTransformers
	}
	return strings.NewReplacer("h21n624", "l10h3n624", "h12n624", "l10h3n624", "h3n7", "l11h3n7", "n624", "l9n624", "h12", "l10h3").Replace(text)
}

// ofTransformers is added to examples of units where nothing says of which model they are.
const ofTransformers = "; of a vision transformer l10h3n624 or l9n624"

// hinted adds to the error about a name how heads are given, where it is that of one and the
// command takes them.
func (o *unitsOptions) hinted(name string, err error) error {
	if o.heads || o.ofHeads == "" || !headName.MatchString(name) {
		return err
	}
	return hinted{err, o.ofHeads}
}

// wantHeadsMode returns an error if one of --pairs is a head, and units are not heads.
func (o *unitsOptions) wantHeadsMode() error {
	if i := slices.IndexFunc(splitUnits(o.pairs), headName.MatchString); i >= 0 && !o.heads {
		return o.validate()
	}
	return nil
}

// addFlags adds the flags; what says what happens to the units, such as "take out".
func (o *unitsOptions) addFlags(fs *pflag.FlagSet, what string) {
	fs.StringVar(&o.pairs, "pairs", "", what+" the units of `LIST`, such as h21n624,h3n7, or l10h3n624 of a vision transformer; n624 or l9n624 is the neuron, or all of its pairs")
	fs.StringVar(&o.file, "units-file", "", what+" the units of `FILE`, one per line, - for standard input; may be combined with --pairs")
	fs.BoolVar(&o.except, "except", false, what+" all units but those of --pairs and --units-file")
}

// named reports whether units were named.
func (o *unitsOptions) named() bool { return o.pairs != "" || o.file != "" }

func (o *unitsOptions) validate() error {
	if o.except && !o.named() {
		return errors.New("--except needs --pairs or --units-file, whose units it keeps")
	}
	pattern, want, _ := o.pattern()
	for _, name := range splitUnits(o.pairs) {
		if !pattern.MatchString(name) {
			return o.hinted(name, fmt.Errorf("--pairs %q: want %s", name, asNamed(name, want)))
		}
	}
	return once("--pairs", splitUnits(o.pairs))
}

// names returns the names of the units, those of the file last.
func (o *unitsOptions) names(r *textReader) ([]string, error) {
	names := splitUnits(o.pairs)
	if o.file == "" {
		return names, nil
	}
	lines, err := o.read(r, "units-file")
	return append(names, lines...), err
}

// read returns the names of units in the file that a flag names, one per line.
func (o *unitsOptions) read(r *textReader, flag string) ([]string, error) {
	lines, err := r.lines(flag, o.file)
	if err != nil {
		return nil, err
	}
	pattern, _, want := o.pattern()
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
		if !pattern.MatchString(lines[i]) {
			return nil, o.hinted(lines[i], fmt.Errorf("%s: line %d: %q, want %s", o.file, i+1, line, asNamed(lines[i], want)))
		}
	}
	lines, note := withoutRepeats(lines)
	if note != "" {
		r.say.Note("%s: %s", o.file, note)
	}
	return lines, nil
}

// readUnits returns the names of neurons and pairs in the file that a flag names, one per line.
func readUnits(flag, path string, r *textReader) ([]string, error) {
	return (&unitsOptions{file: path}).read(r, flag)
}

// parseNeurons reads 624,1300.
func parseNeurons(list string) ([]int, error) {
	var neurons []int
	for _, word := range splitUnits(list) {
		if m := neuronName.FindStringSubmatch(word); m != nil {
			return nil, fmt.Errorf("--neur-idxs %s: %q, want the number alone, %s; the layer is that of --neuron-layer", list, word, m[1])
		}
		n, err := neuronNumber(list, word, "whole numbers, such as 624,1300")
		if err != nil {
			return nil, err
		}
		neurons = append(neurons, n)
	}
	return neurons, numbersOnce("--neur-idxs", neurons)
}

// neuronNumber reads a number of a list of neurons.
func neuronNumber(list, word, want string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("--neur-idxs %s: %q, want %s", list, word, want)
	}
	return n, nil
}
