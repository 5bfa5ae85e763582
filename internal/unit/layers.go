package unit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Layers says which heads the pairs of a vision transformer have: those of all layers
// from First on, Heads of each, one layer after the other. Their neurons are those of
// the layer before. The zero Layers are those of the one attention pool of a ResNet.
type Layers struct{ First, Heads int }

// Pair labels pair h*C+n of C neurons: l10h3n624, or h3n624 in an attention pool.
func (l Layers) Pair(pair, neurons int) string {
	if l.Heads == 0 {
		return Pair(pair, neurons)
	}
	head := pair / neurons
	return fmt.Sprintf("l%dh%dn%d", l.First+head/l.Heads, head%l.Heads, pair%neurons)
}

// Separable reports whether each pair has weights of its own, which an edit of the weights
// can change alone. Otherwise they are those of all pairs of its neuron.
func (l Layers) Separable() bool { return l.Heads == 0 }

// Neuron labels a neuron: l9n624, or n624 of a ResNet.
func (l Layers) Neuron(neuron int) string {
	if l.Heads == 0 {
		return Neuron(neuron)
	}
	return fmt.Sprintf("l%dn%d", l.First-1, neuron)
}

// Head labels head h of all layers: l10h3, or h3 in an attention pool.
func (l Layers) Head(h int) string {
	if l.Heads == 0 {
		return fmt.Sprintf("h%d", h)
	}
	return fmt.Sprintf("l%dh%d", l.First+h/l.Heads, h%l.Heads)
}

var headName = regexp.MustCompile(`^(?:l(\d+))?h(\d+)$`)

// FindHead returns the head of heads that a label names.
func (l Layers) FindHead(name string, heads int) (head int, ok bool) {
	m := headName.FindStringSubmatch(strings.ToLower(name))
	if m == nil || (m[1] == "") != (l.Heads == 0) {
		return 0, false
	}
	head, err := strconv.Atoi(m[2])
	if err != nil {
		return 0, false
	}
	if l.Heads > 0 {
		layer, err := strconv.Atoi(m[1])
		if err != nil || layer < l.First || head >= l.Heads || layer-l.First > heads/l.Heads {
			return 0, false
		}
		head += (layer - l.First) * l.Heads
	}
	return head, head < heads
}

var layerName = regexp.MustCompile(`^l(\d+)$`)

// FindLayer returns the layer, of layers that begin with First, that a label such as l10
// names, counted from First. An attention pool has none.
func (l Layers) FindLayer(name string, layers int) (layer int, ok bool) {
	m := layerName.FindStringSubmatch(strings.ToLower(name))
	if m == nil || l.Heads == 0 {
		return 0, false
	}
	layer, err := strconv.Atoi(m[1])
	return layer - l.First, err == nil && layer >= l.First && layer-l.First < layers
}

// FindHeads returns the heads that a label names, of heads: one, or by the label of a layer such
// as l10 all of that layer, count of them from first on.
func (l Layers) FindHeads(name string, heads int) (first, count int, err error) {
	if head, ok := l.FindHead(name, heads); ok {
		return head, 1, nil
	}
	want := fmt.Sprintf("a head, %s to %s", l.Head(0), l.Head(heads-1))
	if l.Heads > 0 {
		layers := heads / l.Heads
		if layer, ok := l.FindLayer(name, layers); ok {
			return layer * l.Heads, l.Heads, nil
		}
		want += fmt.Sprintf(", or a layer, l%d to l%d", l.First, l.First+layers-1)
	}
	return 0, 0, l.Unknown(name, want)
}

// HeadsName labels what FindHeads finds.
func (l Layers) HeadsName(first, count int) string {
	if l.Heads > 0 && count == l.Heads && first%l.Heads == 0 && count > 1 {
		return fmt.Sprintf("l%d", l.First+first/l.Heads)
	}
	return l.Head(first)
}

// NamesHead reports whether a label names a head, alone or with a neuron.
func NamesHead(name string) bool { return strings.ContainsAny(name, "hH") }

// NamesLayer reports whether a label names a layer alone, and with it all of its heads.
func NamesLayer(name string) bool { return layerName.MatchString(strings.ToLower(name)) }

var layerNeuron = regexp.MustCompile(`^l(\d+)n\d+$`)

// NeuronLayer returns the layer that the label of a neuron such as l9n624 says.
func NeuronLayer(name string) (layer int, ok bool) {
	m := layerNeuron.FindStringSubmatch(strings.ToLower(name))
	if m == nil {
		return 0, false
	}
	layer, err := strconv.Atoi(m[1])
	return layer, err == nil
}

// Layered are units whose pairs may be those of a vision transformer.
type Layered struct {
	Shape
	Layers Layers
}

// Name labels a unit.
func (u Layered) Name(i int) string {
	if u.IsPairs() {
		return u.Layers.Pair(i, u.Neurons())
	}
	return u.Layers.Neuron(i)
}

var layered = regexp.MustCompile(`^l(\d+)(h\d+)?(n\d+)$`)

// Find is Shape.Find by the labels of the layers: the label of a neuron stands for all
// its pairs where there are pairs.
func (u Layered) Find(names []string) ([]int, error) {
	if u.Layers.Heads == 0 {
		return u.Shape.Find(names)
	}
	plain := make([]string, len(names))
	for i, name := range names {
		var ok bool
		if plain[i], ok = u.plain(name); !ok {
			return nil, u.Layers.Unknown(name, u.labels())
		}
		if _, err := u.Shape.Find(plain[i : i+1]); err != nil {
			return nil, u.Layers.Unknown(name, u.labels())
		}
	}
	return u.Shape.Find(plain)
}

// plain is the label that Shape.Find knows a unit by.
func (u Layered) plain(name string) (string, bool) {
	m := layered.FindStringSubmatch(strings.ToLower(name))
	if m == nil {
		return "", false
	}
	layer, err := strconv.Atoi(m[1])
	if err != nil {
		return "", false
	}
	if m[2] == "" {
		return m[3], layer == u.Layers.First-1
	}
	head, err := strconv.Atoi(m[2][1:])
	if err != nil || head >= u.Layers.Heads || layer < u.Layers.First {
		return "", false
	}
	return fmt.Sprintf("h%d%s", (layer-u.Layers.First)*u.Layers.Heads+head, m[3]), true
}

var (
	transformers = regexp.MustCompile(`^l\d+(h\d+)?(n\d+)?$`)
	resNets      = regexp.MustCompile(`^(h\d+)?(n\d+)?$`)
)

// otherFamily says whose name this is, where it is one of a vision transformer, which begins with
// a layer, and the layers are those of an attention pool, or the other way round.
func (l Layers) otherFamily(name string) string {
	name = strings.ToLower(name)
	switch {
	case l.Heads == 0 && transformers.MatchString(name):
		return "a name in a vision transformer, and these units are of a ResNet: "
	case l.Heads > 0 && name != "" && resNets.MatchString(name):
		return "a name in a ResNet, and these units are of a vision transformer: "
	}
	return ""
}

// labels says what the units are called, from the first to the last.
func (u Layered) labels() string {
	last := u.Count() - 1
	if u.IsPairs() {
		neurons := Layered{u.Shape[1:], u.Layers}
		return fmt.Sprintf("a pair, %s to %s, or all pairs of a neuron, %s to %s", u.Name(0), u.Name(last), neurons.Name(0), neurons.Name(u.Neurons()-1))
	}
	return fmt.Sprintf("a neuron, %s to %s", u.Name(0), u.Name(last))
}
