package pipeline

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/clipnh/clipnh/internal/cache"
)

// unitShape is what a file has directions, or codes, of: [H,C] of pairs, [C] of
// neurons. A unit is a number below its product: h*C+n, or n.
type unitShape []int

func (s unitShape) pairs() bool { return len(s) == 2 }

func (s unitShape) neurons() int { return s[len(s)-1] }

// kind is what a unit is called.
func (s unitShape) kind() string {
	if s.pairs() {
		return "pair"
	}
	return "neuron"
}

// name labels a unit: h12n624, or n624.
func (s unitShape) name(unit int) string {
	if s.pairs() {
		return pairName(unit, s.neurons())
	}
	return fmt.Sprintf("n%d", unit)
}

var unitName = regexp.MustCompile(`^(?:h(\d+))?n(\d+)$`)

// find returns the units that names label, without repetition, in the order
// given. The name of a neuron stands for all its pairs where there are pairs.
func (s unitShape) find(names []string) ([]int, error) {
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

func (s unitShape) parse(name string) ([]int, error) {
	C := s.neurons()
	wrong := fmt.Errorf("unit %q: want a neuron, n0 to n%d", name, C-1)
	if s.pairs() {
		wrong = fmt.Errorf("unit %q: want a pair, h0n0 to h%dn%d, or all pairs of a neuron, n0 to n%d", name, s[0]-1, C-1, C-1)
	}
	m := unitName.FindStringSubmatch(name)
	if m == nil || m[1] != "" && !s.pairs() {
		return nil, wrong
	}
	n, err := strconv.Atoi(m[2])
	if err != nil || n >= C {
		return nil, wrong
	}
	if !s.pairs() {
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

// parameters keep the shape in an origin, for readers of what has no such axes.
func (s unitShape) parameters(to map[string]any) {
	to["neurons"] = s.neurons()
	if s.pairs() {
		to["heads"] = s[0]
	}
}

// shapeOf is the shape that parameters kept, nil if there is none.
func shapeOf(m cache.Manifest) unitShape {
	read := func(name string) int {
		n, err := strconv.Atoi(fmt.Sprint(m.Origin.Parameters[name]))
		if err != nil || n < 1 {
			return 0
		}
		return n
	}
	switch heads, neurons := read("heads"), read("neurons"); {
	case neurons == 0:
		return nil
	case heads == 0:
		return unitShape{neurons}
	default:
		return unitShape{heads, neurons}
	}
}
