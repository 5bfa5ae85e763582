package evaluate

import (
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// leaders are the classes of largest products of each image. Taking a few pairs out moves
// every product of an image by at most a bound. So an image whose label is far enough from
// the other classes keeps its outcome. Another is judged by these classes and its label,
// unless one more class might come before the label; then all its classes are looked at. All
// three give the same outcome.
type leaders struct {
	each    int
	classes []int32   // by descending product, [B,each]
	values  []float32 // their products, [B,each]
	own     []float32 // the product of the label, [B]
	before  []outcome // with all pairs, [B]
	margin  []float32 // by less than which products may move against each other without another outcome, [B]
}

const (
	leadingClasses = 32

	// leadersOff is the number of pairs from which all products are computed at once: the
	// bound of many is loose, and a matrix product faster than as many look-ups.
	leadersOff = 64
)

// newLeaders finds those of products [B,classes]; nil where there are few classes.
func newLeaders(logits []float32, number int, labels []int, team par.Team) *leaders {
	if number < 2*leadingClasses {
		return nil
	}
	images := len(labels)
	l := &leaders{
		each: leadingClasses, classes: make([]int32, images*leadingClasses),
		values: make([]float32, images*leadingClasses), own: make([]float32, images),
		before: make([]outcome, images), margin: make([]float32, images),
	}
	team.For(images, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			row := logits[i*number : (i+1)*number]
			l.own[i] = row[labels[i]]
			classes, values := l.of(i)
			for class, x := range row {
				at := min(class, l.each)
				if at == l.each && x <= values[at-1] {
					continue
				}
				at = min(at, l.each-1)
				for at > 0 && values[at-1] < x {
					classes[at], values[at] = classes[at-1], values[at-1]
					at--
				}
				classes[at], values[at] = int32(class), x
			}
			l.measure(i, labels[i])
		}
	})
	return l
}

// measure finds the outcome with all pairs, and the margin: how far the label is from the first
// and the fifth of the other classes, whichever decide.
func (l *leaders) measure(image, label int) {
	classes, values := l.of(image)
	own, place := l.own[image], 0
	var others [5]float64
	n := 0
	for i, x := range values {
		if int(classes[i]) == label || n == len(others) {
			continue
		}
		if x >= own && (x > own || int(classes[i]) < label) {
			place++
		}
		others[n] = float64(x)
		n++
	}
	l.before[image] = outcomeOf(place)
	ahead, behind := others[0]-float64(own), float64(own)-others[4]
	margin := 0.0
	switch l.before[image] {
	case right:
		margin = -ahead
	case amongFive:
		margin = min(ahead, behind)
	case wrong:
		margin = -behind
	}
	size := max(math.Abs(others[0]), math.Abs(others[4])) + math.Abs(float64(own))
	l.margin[image] = float32(margin - boundSlack*size)
}

func (l *leaders) of(image int) ([]int32, []float32) {
	return l.classes[image*l.each : (image+1)*l.each], l.values[image*l.each : (image+1)*l.each]
}

// An outcome is where the label of an image is among its classes.
type outcome uint8

const (
	unclear outcome = iota // all classes are needed
	wrong
	amongFive
	right
)

// outcomeOf is that of a label with so many classes before it.
func outcomeOf(place int) outcome {
	switch {
	case place < 1:
		return right
	case place < 5:
		return amongFive
	default:
		return wrong
	}
}

// A trial is what taking pairs out does to products: that of class k changes by
//
//	-Σ_u b[u]·p[u,k]    b = s[u] - m[u], p = v[u]·t[k]
type trial struct {
	leaders  *leaders
	removal  *decomp.Removal
	columns  [][]float32 // scores of the pairs, [n][B]
	products []float32   // p, [n,number]
	number   int         // of classes
	low      []float32   // smallest of p, [n]
	high     []float32   // largest, [n]
	apart    []float32   // how far products of two classes move against each other for a unit of b, at most, [n]
}

func (t *trial) bound() {
	for u := range t.columns {
		p := t.products[u*t.number : (u+1)*t.number]
		low, high := slices.Min(p), slices.Max(p)
		t.low, t.high = append(t.low, low), append(t.high, high)
		t.apart = append(t.apart, (high-low)+boundSlack*(high-low+2*max(high, -low)))
	}
}

// settle marks those of the images from number first on whose outcome is as before since no two
// of their products move far enough against each other. moved is scratch, a number for each.
func (t *trial) settle(outcomes []outcome, first int, moved []float32) {
	clear(moved)
	for u, column := range t.columns {
		for i, s := range column[first : first+len(moved)] {
			b := float32(t.removal.Beyond(u, s))
			moved[i] += max(b, -b) * t.apart[u]
		}
	}
	for i, m := range moved {
		if m < t.leaders.margin[first+i] {
			outcomes[i] = t.leaders.before[first+i]
		}
	}
}

// boundSlack is what the bound allows for rounding, relative to the sizes of what is added.
const boundSlack = 1e-5

// judge says where the label of an image is. beyond is scratch, a number for each pair.
func (t *trial) judge(image, label int, beyond []float32) outcome {
	l := t.leaders
	classes, values := l.of(image)
	least := values[l.each-1]
	most, size := float64(least), max(float64(least), -float64(least)) // what classes that do not lead have at most
	for u, column := range t.columns {
		b := float32(t.removal.Beyond(u, column[image]))
		beyond[u] = b
		step := max(-float64(b)*float64(t.low[u]), -float64(b)*float64(t.high[u]))
		most, size = most+step, size+max(step, -step)
	}
	most += boundSlack * size
	own := t.after(l.own[image], label, beyond)
	place := 0
	for i, class := range classes {
		x := t.after(values[i], int(class), beyond)
		if x >= own && (x > own || int(class) < label) {
			if place++; place == 5 {
				return wrong
			}
		}
	}
	if float64(own) <= most {
		return unclear
	}
	return outcomeOf(place)
}

// after is the product of a class without the pairs.
func (t *trial) after(product float32, class int, beyond []float32) float32 {
	for u, b := range beyond {
		product -= b * t.products[u*t.number+class]
	}
	return product
}
