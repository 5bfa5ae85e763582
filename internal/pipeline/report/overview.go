package report

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/unit"
)

// writeIndex writes what lists, search and the map of all pairs read.
func (b *builder) writeIndex(context.Context) error {
	index := report.Index{Words: b.wordList}
	pairs, err := b.indexColumns(b.pairsOf, len(b.pairsOf.norm), b.words.Codes(true) != nil, b.words.Pair)
	if err != nil {
		return err
	}
	if b.wordScores != nil {
		scores := make([]float32, b.pairs())
		for u := range scores {
			scores[u] = b.wordScores[u*wordMeasures]
		}
		pairs.Score = report.Quantized(scores)
	}
	if b.effects != nil {
		pairs.Effect = report.Quantized(b.effects.largest)
	}
	if pairs.Sign, err = b.signs(); err != nil {
		return err
	}
	index.Pairs = pairs
	if index.Neurons, err = b.indexColumns(b.neurons, len(b.neurons.norm), b.words.Codes(false) != nil, b.words.Neuron); err != nil {
		return err
	}
	if b.folder.has(report.FileOf(report.IndexName)) {
		return nil
	}
	return b.folder.write(report.IndexName, index)
}

func (b *builder) indexColumns(c *columns, units int, described bool, words func(int) []artefact.Term) (report.IndexColumns, error) {
	x := report.IndexColumns{Norm: report.Floats(c.meanNorms())}
	if c.inertia != nil {
		x.Polysemanticity = report.Floats(c.inertia)
	}
	if described {
		numbers, coefficients := b.wordColumns(units, report.IndexWords, words)
		x.Words, x.Coefficients = report.Indices(numbers, len(b.wordList)), report.Quantized(coefficients)
	}
	each := min(report.IndexImages, c.images)
	var images []int32
	for u := range units {
		strongest, _ := c.strongest.of(u)
		images = append(images, strongest[:each]...)
	}
	x.Images = report.Indices(images, c.images)
	return x, nil
}

// signs says of which pairs a larger score adds the direction of their component.
func (b *builder) signs() (report.Column, error) {
	if b.pcs == nil {
		return report.Column{}, nil
	}
	ov, team := b.scores.OV, b.team()
	C, O := ov.Neurons, ov.OutDim
	signs := make([]int32, b.pairs())
	v, rows := make([]float32, C*O), make([]float32, C*O)
	for h := range ov.Heads {
		ov.Directions(v, h, 0, C, team)
		if err := b.pcs.ReadRange(rows, h*C); err != nil {
			return report.Column{}, err
		}
		for n := range C {
			if dot(v[n*O:(n+1)*O], rows[n*O:(n+1)*O]) > 0 {
				signs[h*C+n] = 1
			}
		}
	}
	return report.Indices(signs, 2), nil
}

// listed is how many pairs a list of the overview has.
const listed = 24

// lists are the first pairs by some measures.
func (b *builder) lists() []report.List {
	c := b.pairsOf
	norms := c.meanNorms()
	strongest := orderOf(len(norms), func(u int) float64 { return float64(norms[u]) })
	lists := []report.List{b.list("strongest", strongest, norms)}
	if c.inertia != nil { // of the stronger half, as a pair that does next to nothing says nothing
		half := strongest[:(len(strongest)+1)/2]
		order := orderOf(len(half), func(i int) float64 { return -float64(c.inertia[half[i]]) })
		for i, at := range order {
			order[i] = half[at]
		}
		lists = append(lists, b.list("purest", order, c.inertia))
	}
	if b.wordScores != nil {
		scores := make([]float32, len(norms))
		for u := range scores {
			scores[u] = b.wordScores[u*wordMeasures]
		}
		lists = append(lists, b.list("best_described", orderOf(len(scores), func(u int) float64 { return float64(scores[u]) }), scores))
	}
	return lists
}

func (b *builder) list(name string, order []int, values []float32) report.List {
	l := report.List{Name: name, Units: []report.Unit{}}
	for _, u := range order[:min(listed, len(order))] {
		l.Units = append(l.Units, b.unit(u, float64(values[u])))
	}
	return l
}

// unit is a pair in a list.
func (b *builder) unit(u int, value float64) report.Unit {
	images, _ := b.pairsOf.strongest.of(u)
	x := report.Unit{Unit: b.units.Name(u), Pair: u, Value: value, Words: b.terms(b.words.Pair(u)), Images: []int{}}
	x.Words = x.Words[:min(report.IndexWords, len(x.Words))]
	if x.Zero = b.pairsOf.square[u] == 0; x.Zero {
		return x
	}
	for _, image := range images[:min(report.IndexImages, len(images))] {
		x.Images = append(x.Images, int(image))
	}
	return x
}

// writeOverview writes what the first page reads; all else is there by then.
func (b *builder) writeOverview(context.Context) error {
	o, from, ov := &b.overview, b.from, b.scores.OV
	b.fillOverview(report.ModelFacts{
		Name: from.Model, Weights: from.Weights, Tensors: from.Tensors, Heads: ov.Heads, Neurons: ov.Neurons, OutDim: ov.OutDim,
		Block: from.Block, Precision: from.Precision, FirstLayer: b.units.Layers.First, LayerHeads: b.units.Layers.Heads, Wording: wordingOf(b.units),
	})
	o.Data.Classes = orNone(b.classNames)
	o.Histograms = map[string]report.Histogram{"norm": histogramOf(b.pairsOf.meanNorms())}
	if b.pairsOf.inertia != nil {
		o.Histograms["polysemanticity"] = histogramOf(b.pairsOf.inertia)
	}
	if b.wordScores != nil {
		scores := make([]float32, b.pairs())
		for u := range scores {
			scores[u] = b.wordScores[u*wordMeasures]
		}
		o.Histograms["score"] = histogramOf(scores)
	}
	o.Lists = b.lists()
	for _, l := range o.Lists {
		if len(l.Units) > 0 {
			o.Model.Wording.Example = l.Units[0].Unit
			break
		}
	}
	o.Shards = report.Shards{Images: report.ShardImages, Texts: report.ShardTexts, TextCount: b.textCount}
	return b.finishOverview(b.parts())
}

// wordingOf says what is true of models that have such pairs. The example is the first pair.
func wordingOf(units unit.Layered) report.Wording {
	if units.Layers.Separable() {
		return report.Wording{Form: report.FormPool, Token: "mean token", Rest: "constant", RestOf: "biases, the same for every image", Example: units.Name(0)}
	}
	return report.Wording{Form: report.FormLayers, Token: "class token", Rest: "rest of the feature", Example: units.Name(0)}
}

// parts says what the report has, and what would add the rest.
func (b *builder) parts() []report.Part {
	described := b.words.Codes(true) != nil
	return []report.Part{
		{Name: "words", Present: described, Need: need(described, "{text-descs-list-path} with {codes}, or with {text-descs-embeddings-path} and {pcs-path}")},
		{Name: "components", Present: b.pcs != nil, Need: need(b.pcs != nil, "{pcs-path}")},
		{Name: "description scores", Present: b.wordScores != nil, Need: need(b.wordScores != nil, "{word-scores-path}")},
		{Name: "labels", Present: b.labels != nil, Need: need(b.labels != nil, "{data-path} with a labelled {dataset}")},
		{Name: "groups", Present: b.groups != nil, Need: need(b.groups != nil, "{groups-csv} with {group-column}")},
		{Name: "classes", Present: b.classes != nil, Need: need(b.classes != nil, "{imagenet-zeroshot-path}")},
		{Name: "texts", Present: b.textCount > 0, Need: need(b.textCount > 0, "{text-descs-embeddings-path}, with {pcs-path} and words")},
		{Name: "maps", Present: b.maps != nil, Need: need(b.maps != nil, "{model} with {data-path}")},
		{Name: "comparison", Present: b.With != "", Need: need(b.With != "", "{with}")},
		{Name: "thumbnails", Present: b.overview.Thumbs != nil, Need: need(b.overview.Thumbs != nil, "{data-path}")},
	}
}
