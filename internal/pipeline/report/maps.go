package report

import (
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/report"
)

// headMapBytes bounds how many images have maps: by the bytes of a head's attention in all of
// them, one for each place. What a head adds, in a report of heads, takes two.
const headMapBytes = 256 << 10

// neuronMapBytes bounds the maps of the activations of all neurons, one byte for each place.
const neuronMapBytes = 32 << 20

// findMaps computes maps.
func (b *builder) findMaps(ctx context.Context) error {
	if b.model == nil {
		return nil
	}
	side := b.model.Config.Grid()
	m := &mapSet{side: side}
	m.images = b.mappedImages(headMapBytes / (side * side))
	m.wanted = b.wantedNeurons(m.images, neuronMapBytes/(side*side*b.scores.OV.Neurons))
	tower, err := b.tower()
	if err != nil {
		return err
	}
	b.maps = m
	w := &mapper{builder: b, tower: tower, targets: map[int]placing{}}
	m.results, err = keptMaps(b.base, len(m.images), func(first int, group []mapped) error { return w.group(ctx, first, group) })
	return err
}

// mappedImages are the images that most units show first, at most so many, ascending.
func (b *builder) mappedImages(most int) []int {
	counts := make([]int, b.scores.Images)
	for u := range b.pairsOf.norm {
		images, _ := b.pairsOf.strongest.of(u)
		for _, image := range images[:min(report.IndexImages, len(images))] {
			counts[image]++
		}
	}
	for _, image := range b.neurons.strongest.images {
		counts[image]++
	}
	return mostShown(counts, most)
}

// wantedNeurons says with which neurons' activations each image is shown: of a neuron its
// own strongest images, then those of its pairs, strongest pairs first, at most so many.
func (b *builder) wantedNeurons(images []int, most int) [][]int {
	place := make([]int, b.scores.Images) // one more than it
	for at, image := range images {
		place[image] = at + 1
	}
	H, C := b.scores.OV.Heads, b.scores.OV.Neurons
	wanted := make([][]int, len(images))
	for n := range C {
		taken := 0
		add := func(images []int32) {
			for _, image := range images {
				at := place[image] - 1
				if at < 0 || taken == most || len(wanted[at]) > 0 && wanted[at][len(wanted[at])-1] == n {
					continue
				}
				wanted[at] = append(wanted[at], n)
				taken++
			}
		}
		own, _ := b.neurons.strongest.of(n)
		add(own)
		for _, h := range orderOf(H, func(h int) float64 { return b.pairsOf.norm[h*C+n].Mean }) {
			of, _ := b.pairsOf.strongest.of(h*C + n)
			add(of)
		}
	}
	return wanted
}

// mapper runs images through the tower.
type mapper struct {
	*builder
	tower   clip.PairTower
	targets map[int]placing // by class
}

// A placing writes what every place of an image adds to the logit of a class, and returns what
// belongs to no place: what the position embedding of an attention pool adds, or the class
// token and the MLPs of a vision transformer.
type placing func(places []float64, image clip.Output, factor float64) (elsewhere float64)

// keptTargets bounds the classes whose products with all pairs are in memory.
const keptTargets = 32

// group computes the maps of some images, from place first on. One that cannot be read
// is named and has none.
func (w *mapper) group(ctx context.Context, first int, group []mapped) error {
	for i := range group {
		group[i].Failed = true
	}
	n := max(min(w.BatchSize, len(group)), 1)
	out := w.tower.Room(n)
	out.Features, out.Scores = nil, nil
	return w.send(ctx, w.maps.images[first:first+len(group)], w.tower.Config().Input(), n, func(pixels []float32, places []int) error {
		k := len(places)
		of := out.First(k, n)
		if err := w.tower.Run(pixels, of); err != nil {
			return err
		}
		for i, place := range places {
			w.image(&group[place], first+place, of.Of(i, k))
		}
		return nil
	})
}

// image fills in the maps of the image at a place from what the tower says of it.
func (w *mapper) image(m *mapped, place int, out clip.Output) {
	c, pairs := w.tower.Config(), w.tower.Pairs()
	T, C, attention, tokens := c.Tokens(), pairs.Neurons, w.tower.Attention(out), w.tower.Neurons(out)
	*m = mapped{}
	for h := range pairs.Heads {
		row := attention[h*T : (h+1)*T]
		m.Sink = append(m.Sink, row[0])
		m.Attention, m.Attentions = appendMap(m.Attention, m.Attentions, row[1:])
	}
	position, values := w.tower.Position(), make([]float32, T-1)
	for _, n := range w.maps.wanted[place] {
		for t := 1; t < T; t++ {
			if values[t-1] = tokens[t*C+n]; position != nil {
				values[t-1] -= position[t*C+n]
			}
		}
		m.Activation, m.Activations = appendMap(m.Activation, m.Activations, values)
	}
	if w.ranked == nil {
		return
	}
	image := w.maps.images[place]
	target := w.target(w.ranked.winner(image))
	places := make([]float64, T-1)
	elsewhere := target(places, out, attribution.Scale/w.lengths[image])
	m.Places = &report.Places{Side: c.Grid(), Position: rounded(elsewhere)}
	for _, x := range places {
		m.Places.Parts = append(m.Places.Parts, float32(rounded(x)))
	}
}

// target is what places add to the logit of a class.
func (w *mapper) target(class int) placing {
	if t := w.targets[class]; t != nil {
		return t
	}
	if len(w.targets) == keptTargets {
		clear(w.targets)
	}
	O := w.scores.OV.OutDim
	w.targets[class] = w.placing(attribution.Difference(w.classes.Rows[class*O:(class+1)*O], nil))
	return w.targets[class]
}

// placing prepares for the vector text [O] of a class.
func (w *mapper) placing(text []float64) placing {
	if tokens := w.tower.Tokens(); tokens != nil {
		_, heads := w.tower.Config().Layered()
		m := attribution.NewTokenMap(tokens, heads, text, w.team())
		return func(places []float64, image clip.Output, factor float64) float64 {
			all := make([]float64, len(places)+1)
			written := m.Map(all, image.Reads, image.MLPs, image.Statistics, factor)
			copy(places, all[1:])
			return all[0] + written
		}
	}
	p := attribution.NewTarget(w.tower.OV(), text, w.team()).Places(w.tower.Position(), w.team())
	return func(places []float64, image clip.Output, factor float64) float64 {
		positions := make([]float64, len(places)+1)
		p.Map(places, positions, nil, w.tower.Weights(image), w.tower.Neurons(image), factor, w.team())
		return attribution.Sum(positions)
	}
}

// appendMap appends a map in steps of 1/255 of its largest value, and that value.
// Values below zero, of which a pool has none but by rounding, and GELU small ones, become
// zero.
func appendMap(to []byte, largest []float32, values []float32) ([]byte, []float32) {
	most := max(slices.Max(values), 0)
	for _, v := range values {
		q := 0.0
		if most > 0 {
			q = math.Round(float64(max(v, 0)) / float64(most) * 255)
		}
		to = append(to, byte(q))
	}
	return to, append(largest, most)
}

// ofNeuron are the activations of a neuron, of headOf the attention of a head.
func (m *mapSet) ofNeuron(n int) *report.Maps {
	f := m.empty()
	for at, image := range m.images {
		i, found := slices.BinarySearch(m.wanted[at], n)
		if r := &m.results[at]; found && !r.Failed {
			m.add(f, image, r.Activation, r.Activations, i)
		}
	}
	return f
}

// ofHead are the maps of the attention of a head, with their mean and that of the
// attention of the class token to itself.
func (m *mapSet) ofHead(h int) (f *report.Maps, mean []float32, sink float64) {
	f = m.empty()
	sum, count := make([]float64, m.side*m.side), 0
	for at, image := range m.images {
		r := &m.results[at]
		if r.Failed {
			continue
		}
		m.add(f, image, r.Attention, r.Attentions, h)
		for i, q := range r.Attention[h*len(sum) : (h+1)*len(sum)] {
			sum[i] += float64(q) / 255 * float64(r.Attentions[h])
		}
		sink += float64(r.Sink[h])
		count++
	}
	for _, s := range sum {
		mean = append(mean, float32(rounded(s/float64(max(count, 1)))))
	}
	return f, mean, rounded(sink / float64(max(count, 1)))
}

// ofImage are the attention maps of all heads, and the places; nil where there are none.
func (m *mapSet) ofImage(image int) (*report.Maps, *report.Places) {
	at, found := slices.BinarySearch(m.images, image)
	if !found || m.results[at].Failed {
		return nil, nil
	}
	f, r := m.empty(), &m.results[at]
	for h := range r.Attentions {
		m.add(f, h, r.Attention, r.Attentions, h)
	}
	return f, r.Places
}

func (m *mapSet) empty() *report.Maps {
	return &report.Maps{Side: m.side, Images: []int{}, Scale: []float32{}, Values: report.Column{Type: "u8", Data: []byte{}}}
}

// add appends the i-th of some maps as that of an image.
func (m *mapSet) add(f *report.Maps, image int, values []byte, scales []float32, i int) {
	each := m.side * m.side
	f.Images, f.Scale = append(f.Images, image), append(f.Scale, scales[i])
	f.Values.Data = append(f.Values.Data, values[i*each:(i+1)*each]...)
}

// tower makes the image tower, planned as for collecting, so that its maps are those of
// the scores.
func (b *builder) tower() (clip.PairTower, error) {
	options := clip.ImageOptions{Batch: max(min(b.BatchSize, b.scores.Images), 2), Threads: b.Threads, Precision: b.Precision, Reads: b.ranked != nil, ClassAttention: true}
	pairs, err := b.model.PairsOf(b.from)
	if err != nil {
		return nil, err
	}
	return clip.NewPairTower(pairs, options)
}
