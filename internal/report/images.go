package report

// ImageShard is what the model makes of some images, of n from number First on, as columns.
// Lists of an image have the same length for all; None is in the places of shorter ones.
// See ImageRecord.
type ImageShard struct {
	First int `json:"first"`

	Classes       Column `json:"classes"` // [n,k]
	Logits        Column `json:"logits"`
	Probabilities Column `json:"probabilities"`
	Totals        Column `json:"totals"` // logit, constant, rest, sum and norm of the feature, [n,5]

	For     PartColumns `json:"for"`
	Against PartColumns `json:"against"`

	Nearest   Column `json:"nearest"` // [n,k]
	Cosines   Column `json:"cosines"`
	Strongest Column `json:"strongest"` // [n,k]
	Scores    Column `json:"scores"`
	Away      Column `json:"deviations"`

	Maps []ImageMaps `json:"maps"` // of the images that have some
}

// PartColumns are what pairs add, [n,k].
type PartColumns struct {
	Pairs  Column `json:"pairs"`
	Parts  Column `json:"parts"`
	Scores Column `json:"scores"`
}

// ImageMaps are the maps of an image.
type ImageMaps struct {
	Image     int     `json:"image"`
	Places    *Places `json:"places"`
	Attention *Maps   `json:"attention"`
}

// NewImageShard makes columns of records. The collection has so many pairs, images and
// classes.
func NewImageShard(first int, records []ImageRecord, pairs, images, classes int) *ImageShard {
	s := &ImageShard{First: first, Maps: []ImageMaps{}}
	var totals []float32
	most := func(length func(*ImageRecord) int) (k int) {
		for i := range records {
			k = max(k, length(&records[i]))
		}
		return k
	}
	class := newLists(len(records), most(func(r *ImageRecord) int { return len(r.Classes) }), 2)
	up := newLists(len(records), most(func(r *ImageRecord) int { return len(r.For) }), 2)
	down := newLists(len(records), most(func(r *ImageRecord) int { return len(r.Against) }), 2)
	near := newLists(len(records), most(func(r *ImageRecord) int { return len(r.Nearest) }), 1)
	strong := newLists(len(records), most(func(r *ImageRecord) int { return len(r.Strongest) }), 2)
	for i := range records {
		r := &records[i]
		for _, x := range []float64{r.Logit, r.Constant, r.Rest, r.Sum, r.Norm} {
			totals = append(totals, float32(x))
		}
		for k, x := range r.Classes {
			class.put(i, k, x.Class, x.Logit, x.Probability)
		}
		for k, x := range r.For {
			up.put(i, k, x.Pair, x.Part, x.Score)
		}
		for k, x := range r.Against {
			down.put(i, k, x.Pair, x.Part, x.Score)
		}
		for k, x := range r.Nearest {
			near.put(i, k, x.Image, x.Cosine)
		}
		for k, x := range r.Strongest {
			strong.put(i, k, x.Pair, x.Score, x.Deviations)
		}
		if r.Places != nil || r.Attention != nil {
			s.Maps = append(s.Maps, ImageMaps{first + i, r.Places, r.Attention})
		}
	}
	s.Totals = Floats(totals)
	s.Classes, s.Logits, s.Probabilities = Indices(class.items, classes), Floats(class.values[0]), Shortened(class.values[1])
	s.For = PartColumns{Indices(up.items, pairs), Shortened(up.values[0]), Shortened(up.values[1])}
	s.Against = PartColumns{Indices(down.items, pairs), Shortened(down.values[0]), Shortened(down.values[1])}
	s.Nearest, s.Cosines = Indices(near.items, images), Quantized(near.values[0])
	s.Strongest, s.Scores, s.Away = Indices(strong.items, pairs), Shortened(strong.values[0]), Quantized(strong.values[1])
	return s
}

// lists are lists of numbered things with values, of the same length.
type lists struct {
	each   int
	items  []int32
	values [][]float32
}

func newLists(count, each, values int) lists {
	l := lists{each: each, items: make([]int32, count*each)}
	for i := range l.items {
		l.items[i] = None
	}
	for range values {
		l.values = append(l.values, make([]float32, count*each))
	}
	return l
}

func (l lists) put(i, k, item int, values ...float64) {
	l.items[i*l.each+k] = int32(item)
	for v, x := range values {
		l.values[v][i*l.each+k] = float32(x)
	}
}
