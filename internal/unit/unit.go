// Package unit names neurons and neuron-head pairs.
//
// A unit is a number below the product of a Shape: h*C+n of pairs, n of neurons.
// People write it h12n624, or n624. In a vision transformer, H counts the heads of
// several layers, and people write l10h3n624, or l9n624; see Layers.
package unit

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Shape is what there are units of: [H,C] of pairs, [C] of neurons.
type Shape []int

// IsPairs reports whether units are pairs.
func (s Shape) IsPairs() bool { return len(s) == 2 }

// Neurons is C.
func (s Shape) Neurons() int { return s[len(s)-1] }

// Count is how many units there are.
func (s Shape) Count() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Kind is what a unit is called: pair or neuron.
func (s Shape) Kind() string {
	if s.IsPairs() {
		return "pair"
	}
	return "neuron"
}

// Axes are the letters of the shape.
func (s Shape) Axes() []string {
	if s.IsPairs() {
		return []string{"H", "C"}
	}
	return []string{"C"}
}

// Name labels a unit: h12n624, or n624.
func (s Shape) Name(u int) string {
	if s.IsPairs() {
		return Pair(u, s.Neurons())
	}
	return Neuron(u)
}

// Neuron labels a neuron: n624.
func Neuron(neuron int) string { return fmt.Sprintf("n%d", neuron) }

// Pair labels pair h*C+n of C neurons: h12n624.
func Pair(pair, neurons int) string { return fmt.Sprintf("h%dn%d", pair/neurons, pair%neurons) }

var pattern = regexp.MustCompile(`^(?:h(\d+))?n(\d+)$`)

// Find returns the units that names label, without repetition, in the order
// given. The name of a neuron stands for all its pairs where there are pairs. Names may be
// in upper case.
func (s Shape) Find(names []string) ([]int, error) {
	var units []int
	seen := map[int]bool{}
	for _, name := range names {
		found, err := s.parse(name)
		if err != nil {
			return nil, err
		}
		for _, u := range found {
			if !seen[u] {
				seen[u] = true
				units = append(units, u)
			}
		}
	}
	return units, nil
}

// ErrUnknown is what the error of a name wraps that no unit has.
var ErrUnknown = errors.New("unknown unit")

// unknownError is the error of a name that no unit has. other says whose name it is, where it is
// one of a model of the other family.
type unknownError struct{ name, other, want string }

// Unknown is the error of a name that no unit has, with the units that there are.
func (l Layers) Unknown(name, want string) error {
	return unknownError{name, l.otherFamily(name), want}
}

func (e unknownError) Error() string {
	return fmt.Sprintf("unit %q: %swant %s", e.name, e.other, e.want)
}

// UnitName is the name that no unit has.
func (e unknownError) UnitName() string { return e.name }

func (e unknownError) Is(target error) bool { return target == ErrUnknown }

func (s Shape) parse(name string) ([]int, error) {
	C := s.Neurons()
	wrong := Layers{}.Unknown(name, fmt.Sprintf("a neuron, n0 to n%d", C-1))
	if s.IsPairs() {
		wrong = Layers{}.Unknown(name, fmt.Sprintf("a pair, h0n0 to h%dn%d, or all pairs of a neuron, n0 to n%d", s[0]-1, C-1, C-1))
	}
	m := pattern.FindStringSubmatch(strings.ToLower(name))
	if m == nil || m[1] != "" && !s.IsPairs() {
		return nil, wrong
	}
	n, err := strconv.Atoi(m[2])
	if err != nil || n >= C {
		return nil, wrong
	}
	if !s.IsPairs() {
		return []int{n}, nil
	}
	if m[1] == "" {
		var units []int
		for h := range s[0] {
			units = append(units, h*C+n)
		}
		return units, nil
	}
	h, err := strconv.Atoi(m[1])
	if err != nil || h >= s[0] {
		return nil, wrong
	}
	return []int{h*C + n}, nil
}
