package mislead

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
)

// Why a word was left out.
const (
	ByGiven  = "given"  // it is, or has as a word of it, a text that was given
	ByName   = "name"   // the same of the class's name
	ByCosine = "cosine" // it is too close to the class
)

// choose lists the heaviest words, and those that were left out before the last of them.
func (m *misleader) choose(r *Result) error {
	speakers := make([]coding.Speaker, len(r.Units))
	for i, u := range r.Units {
		speakers[i] = coding.Speaker{Unit: u.Unit, Terms: u.Terms, Factor: u.Product}
	}
	cosine := centred(m.words, m.to)
	for _, w := range coding.Weigh(speakers, len(m.Words)) {
		if len(r.Words) == m.List {
			break
		}
		word := Word{Weighed: w, Cosine: cosine(w.Index)}
		switch {
		case names(m.LeftOut, w.Word):
			word.Why = ByGiven
		case names([]string{m.To}, w.Word):
			word.Why = ByName
		case word.Cosine > m.MaxCosine:
			word.Why = ByCosine
		default:
			r.Words = append(r.Words, word)
			continue
		}
		r.LeftOut = append(r.LeftOut, word)
	}
	if len(r.Words) == 0 {
		return fmt.Errorf("%s: no word moves images toward %s, or all of those that do name it", m.WordsPath, foreign.Quote(m.To))
	}
	return nil
}

// names reports whether a word is one of some texts, or has one as a word of it.
func names(texts []string, word string) bool {
	a := dataset.Attribute{Names: texts}
	_, contains := a.IsNamed(word)
	return contains
}

// centred returns what computes the cosine of a word and a text, both less the mean of the
// words: the embeddings of all texts have much in common, and cosines of the vectors as they
// are are close to one another.
func centred(words *artefact.Embeddings, text []float32) func(word int) float64 {
	O := words.OutDim
	mean := make([]float64, O)
	for i, x := range words.Rows {
		mean[i%O] += float64(x)
	}
	less := func(row []float32) []float32 {
		out := make([]float32, O)
		for o, x := range row {
			out[o] = float32(float64(x) - mean[o]/float64(words.Texts))
		}
		return out
	}
	to := less(text)
	return func(word int) float64 {
		row := less(words.Rows[word*O : (word+1)*O])
		length := decomp.Norm(row) * decomp.Norm(to)
		if !(length > 0) {
			return 0
		}
		product := 0.0
		for o, x := range row {
			product += float64(x) * float64(to[o])
		}
		return product / length
	}
}

// sentenceWords is how many words a sentence has, where there are as many.
const sentenceWords = 3

// sentences returns sentences for a text-to-image model. The first has the heaviest words; those
// of others are drawn, a word as often as its weight is large, and no sentence is there twice.
func (m *misleader) sentences(words []Word) []string {
	var all []string
	n := min(sentenceWords, len(words))
	random := rand.New(rand.NewPCG(m.Seed, 0))
	picked := make([]int, n)
	for i := range picked {
		picked[i] = i
	}
	for tries := 0; len(all) < m.Sentences && tries < 100*m.Sentences; tries++ {
		names := make([]string, n)
		for i, at := range picked {
			names[i] = words[at].Word
		}
		text := names[0]
		if last := n - 1; last > 0 {
			text = strings.Join(names[:last], ", ") + " and " + names[last]
		}
		if sentence := fmt.Sprintf("a photo of a %s with %s", m.From, text); !slices.Contains(all, sentence) {
			all = append(all, sentence)
		}
		picked = draw(words, n, random)
	}
	return all
}

// draw draws n words, in the order of the list.
func draw(words []Word, n int, random *rand.Rand) []int {
	var picked []int
	for len(picked) < n {
		total := 0.0
		for i, w := range words {
			if !slices.Contains(picked, i) {
				total += w.Weight
			}
		}
		at, left := -1, random.Float64()*total
		for i, w := range words {
			if slices.Contains(picked, i) {
				continue
			}
			if at, left = i, left-w.Weight; left < 0 {
				break
			}
		}
		picked = append(picked, at)
	}
	slices.Sort(picked)
	return picked
}
