package bpe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// joinPlainly is join as CLIP has it: look for the first pair, join all of it,
// start again.
func joinPlainly(tokenizer *Tokenizer, word string) []int32 {
	var row []int32
	for i := range len(word) {
		row = append(row, byteTokens[word[i]])
	}
	row[len(row)-1] += alphabet
	for {
		best := pair{}
		first := int32(0)
		for i := range len(row) - 1 {
			p := pair{row[i], row[i+1]}
			if joined, ok := tokenizer.merges[p]; ok && (first == 0 || joined < first) {
				best, first = p, joined
			}
		}
		if first == 0 {
			return row
		}
		var next []int32
		for i := 0; i < len(row); i++ {
			if i+1 < len(row) && (pair{row[i], row[i+1]}) == best {
				next = append(next, first)
				i++
			} else {
				next = append(next, row[i])
			}
		}
		row = next
	}
}

// spell returns the bytes that ids stand for.
func spell(tokenizer *Tokenizer, ids []int32) string {
	parts := make(map[int32]pair, len(tokenizer.merges))
	for p, joined := range tokenizer.merges {
		parts[joined] = p
	}
	var b strings.Builder
	var write func(id int32)
	write = func(id int32) {
		if p, ok := parts[id]; ok {
			write(p.left)
			write(p.right)
			return
		}
		b.WriteByte(byte(slices.Index(byteTokens[:], id%alphabet)))
	}
	for _, id := range ids {
		write(id)
	}
	return b.String()
}

func checkWord(t testing.TB, tokenizer *Tokenizer, word string) {
	t.Helper()
	got := tokenizer.join(word)
	if want := joinPlainly(tokenizer, word); !slices.Equal(got, want) {
		t.Fatalf("%q: got %v, want %v", word, got, want)
	}
	if spelled := spell(tokenizer, got); spelled != word {
		t.Fatalf("%q: ids %v spell %q", word, got, spelled)
	}
}

func TestJoin(t *testing.T) {
	tokenizer := mustOpen(t, testutil.Golden("text/toy_merges.txt"))
	random := rand.New(rand.NewPCG(1, 2))
	letters := "aaabbeeefoothpnrxs.é"
	for range 5000 {
		word := make([]byte, 1+random.IntN(40))
		for i := range word {
			word[i] = letters[random.IntN(len(letters))]
		}
		checkWord(t, tokenizer, string(word))
	}
}

// Overlapping pairs are joined from the left, and a token may double itself.
func TestJoinRepeats(t *testing.T) {
	tokenizer, err := Read(strings.NewReader("#\na a\naa aa\naa a</w>\nb aa\n"))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 40; n++ {
		checkWord(t, tokenizer, strings.Repeat("a", n))
		checkWord(t, tokenizer, "b"+strings.Repeat("a", n)+"b")
	}
}
