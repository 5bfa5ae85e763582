package evaluate

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// drawnLedger keeps random images, the labels of most of which are right; their scores of
// the first pairs are kept.
func drawnLedger(images, classes, pairs, threads int) *Ledger {
	const O, C, H = 64, 512, 8
	random := rand.New(rand.NewPCG(1, 1))
	noise := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	l := &Ledger{
		Judged: Judged{Names: make([]string, images), Labels: make([]int, images), team: par.NewTeam(threads)}, Means: make([]float64, H*C),
		OV: decomp.NewOV(H, noise(C*C), noise(C), noise(O*C), noise(O)),
	}
	l.judge = &classifier{classes: noise(classes * O), number: classes, names: make([]string, classes)}
	l.logits = noise(images * classes)
	for i := range l.logits {
		l.logits[i] *= 250
	}
	for i := range l.Labels {
		l.Labels[i] = random.IntN(classes)
		l.logits[i*classes+l.Labels[i]] += 750
	}
	for u := range pairs {
		l.columns = append(l.columns, column{u, noise(images)})
	}
	l.leaders = newLeaders(l.logits, classes, l.Labels, l.team)
	l.baseline.Predictions = make([]int, images)
	return l
}

// TestLeaders: the classes of largest products decide as all of them do, for most images
// without looking at the others, and whatever the number of threads.
func TestLeaders(t *testing.T) {
	const images, classes = 500, 2*leadingClasses + 20
	for _, n := range []int{0, 1, 5} {
		l := drawnLedger(images, classes, n, 2)
		off := make([]int, n)
		for u := range off {
			off[u] = u
		}
		got, err := l.Without(t.Context(), off, true)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := drawnLedger(images, classes, n, 1).Without(t.Context(), off, true); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%d pairs off: another result with one thread (%v)", n, err)
		}
		led := l.leaders
		l.leaders = nil
		want, err := l.Without(t.Context(), off, true)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || want.Variants[0].Correct == 0 || want.Variants[0].Correct == images {
			t.Errorf("%d pairs off: %+v, want %+v", n, got.Variants, want.Variants)
		}
		removal := l.OV.NewRemoval(off, nil)
		products := make([]float32, n*classes)
		l.judge.products(products, removal.Directions(), n, l.team)
		tr := &trial{leaders: led, removal: removal, products: products, number: classes}
		for _, c := range l.columns {
			tr.columns = append(tr.columns, c.scores)
		}
		tr.bound()
		counts := map[outcome]int{}
		for i, label := range l.Labels {
			counts[tr.judge(i, label, make([]float32, n))]++
		}
		if counts[unclear] > images/2 || n > 0 && counts[unclear] == 0 || counts[right] == 0 || counts[wrong] == 0 || counts[amongFive] == 0 {
			t.Errorf("%d pairs off: outcomes %v", n, counts)
		}
	}
}

// TestWeakPairs: where pairs change products by little, most images are settled by that, and
// the result is that of all products.
func TestWeakPairs(t *testing.T) {
	const images, classes = 2000, 2*leadingClasses + 20
	off := []int{0, 1, 2}
	for _, strength := range []float32{0, 0.01, 0.3} {
		l := drawnLedger(images, classes, len(off), 2)
		for _, c := range l.columns {
			for i := range c.scores {
				c.scores[i] *= strength
			}
		}
		got, err := l.Without(t.Context(), off, true)
		if err != nil {
			t.Fatal(err)
		}
		led := l.leaders
		l.leaders = nil
		want, err := l.Without(t.Context(), off, true)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("strength %g: %+v, want %+v", strength, got.Variants, want.Variants)
		}
		tr := &trial{leaders: led, removal: l.OV.NewRemoval(off, nil), number: classes, products: make([]float32, len(off)*classes)}
		l.judge.products(tr.products, tr.removal.Directions(), len(off), l.team)
		for _, c := range l.columns {
			tr.columns = append(tr.columns, c.scores)
		}
		tr.bound()
		outcomes, settled := make([]outcome, images), 0
		tr.settle(outcomes, 0, make([]float32, images))
		for i, o := range outcomes {
			if o == unclear {
				continue
			}
			settled++
			if by := tr.judge(i, l.Labels[i], make([]float32, len(off))); by != unclear && by != o {
				t.Errorf("strength %g, image %d: settled as %d, but is %d", strength, i, o, by)
			}
		}
		if least := map[float32]int{0: images * 99 / 100, 0.01: images * 9 / 10, 0.3: 1}[strength]; settled < least || strength > 0.1 && settled == images {
			t.Errorf("strength %g: %d of %d images are settled", strength, settled, images)
		}
	}
}

// TestNewLeaders compares with sorting.
func TestNewLeaders(t *testing.T) {
	l := drawnLedger(3, 100, 0, 1)
	for i := range l.Names {
		row := l.logits[i*100 : (i+1)*100]
		sorted := slices.Clone(row)
		slices.Sort(sorted)
		slices.Reverse(sorted)
		classes, values := l.leaders.of(i)
		for at, class := range classes {
			if values[at] != sorted[at] || row[class] != sorted[at] {
				t.Errorf("image %d: the class at place %d is %d with %g, want one with %g", i, at, class, values[at], sorted[at])
			}
		}
		if l.leaders.own[i] != row[l.Labels[i]] {
			t.Errorf("image %d: its label has %g, want %g", i, l.leaders.own[i], row[l.Labels[i]])
		}
	}
	if few := newLeaders(l.logits[:100], 10, make([]int, 10), l.team); few != nil {
		t.Error("ten classes have leaders")
	}
}
