package bpe

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// asset returns the path of a file that is published elsewhere and looked for
// beside the checkout; without it the test is skipped.
func asset(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "assets", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs %s, which is not there", path)
	}
	return path
}

func mustOpen(t testing.TB, path string) *Tokenizer {
	t.Helper()
	tokenizer, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestToyVocabulary(t *testing.T) {
	var prompts []string
	readJSON(t, testutil.Golden("text/prompts.json"), &prompts)
	tokens, err := npy.ReadFile(testutil.Golden("text/tokens.npy"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := tokens.Int64()
	if err != nil {
		t.Fatal(err)
	}
	context := tokens.Shape[1]
	if tokens.Shape[0] != len(prompts) {
		t.Fatalf("tokens of %d texts, want %d", tokens.Shape[0], len(prompts))
	}
	for _, name := range []string{"text/toy_merges.txt", "text/toy_merges.txt.gz"} {
		tokenizer := mustOpen(t, testutil.Golden(name))
		if tokenizer.Vocab() != 812 || tokenizer.end != 811 {
			t.Errorf("%s: vocabulary %d, end of text %d, want 812, 811", name, tokenizer.Vocab(), tokenizer.end)
		}
		for i, prompt := range prompts {
			got := make([]int64, context)
			for j, id := range tokenizer.Encode(prompt, context) {
				got[j] = int64(id)
			}
			if row := want[i*context : (i+1)*context]; !slices.Equal(got, row) {
				t.Errorf("%s: %q: got %v, want %v", name, prompt, got, row)
			}
		}
	}
}

// The ids are those the demo's own tokenizer gave, scripts/demo/bpe.py.
func TestDemoVocabulary(t *testing.T) {
	tokenizer := mustOpen(t, filepath.Join("..", "demo", "assets", "bpe_demo_vocab.txt.gz"))
	if tokenizer.Vocab() != 836 {
		t.Errorf("vocabulary %d, want 836", tokenizer.Vocab())
	}
	for text, want := range map[string][]int32{
		"grass":                   {834, 648, 835},
		"a photo of a yellow car": {834, 320, 559, 514, 320, 596, 605, 835},
		"we see a purple butterfly under the night sky": {834, 549, 548, 320, 585, 631, 651, 516, 603, 542, 835},
	} {
		if got := tokenizer.Encode(text, 32); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// full is the golden of OpenAI's vocabulary.
type full struct {
	Context, Vocabulary, SOT, EOT int
	Words30k                      int    `json:"words_30k"`
	Longest                       int    `json:"words_30k_longest"`
	Sum                           string `json:"words_30k_sha256"`
	Texts                         []struct {
		Text string
		IDs  []int32
	}
}

func TestOpenAIVocabulary(t *testing.T) {
	var golden full
	readJSON(t, testutil.Golden("text/tokens_full.json"), &golden)
	tokenizer := mustOpen(t, asset(t, "bpe_simple_vocab_16e6.txt.gz"))
	if tokenizer.Vocab() != golden.Vocabulary || int(tokenizer.end) != golden.EOT {
		t.Errorf("vocabulary %d, end of text %d, want %d, %d",
			tokenizer.Vocab(), tokenizer.end, golden.Vocabulary, golden.EOT)
	}
	if len(golden.Texts) == 0 {
		t.Fatal("no texts in the golden file")
	}
	for _, text := range golden.Texts {
		if got := tokenizer.Encode(text.Text, golden.Context); !slices.Equal(got, text.IDs) {
			t.Errorf("%q: got %v, want %v", text.Text, got, text.IDs)
		}
	}
}

func TestOpenAIVocabularyOn30000Words(t *testing.T) {
	var golden full
	readJSON(t, testutil.Golden("text/tokens_full.json"), &golden)
	tokenizer := mustOpen(t, asset(t, "bpe_simple_vocab_16e6.txt.gz"))
	words, err := textlist.ReadFile(asset(t, "30k.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(words) != golden.Words30k {
		t.Fatalf("%d words, want %d", len(words), golden.Words30k)
	}
	longest, sum, row := 0, sha256.New(), make([]byte, 4*golden.Context)
	for _, word := range words {
		ids := tokenizer.Encode(word, golden.Context)
		longest = max(longest, len(ids))
		clear(row)
		for i, id := range ids {
			binary.LittleEndian.PutUint32(row[4*i:], uint32(id))
		}
		sum.Write(row)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != golden.Sum || longest != golden.Longest {
		t.Errorf("sha256 %s, longest %d, want %s, %d", got, longest, golden.Sum, golden.Longest)
	}
}

func TestEncodeCutsToContext(t *testing.T) {
	tokenizer := mustOpen(t, testutil.Golden("text/toy_merges.txt"))
	whole := tokenizer.Encode("zq zq zq", 77)
	for context := 1; context <= len(whole)+1; context++ {
		want := slices.Clone(whole[:min(context, len(whole))])
		want[len(want)-1] = tokenizer.end
		if got := tokenizer.Encode("zq zq zq", context); !slices.Equal(got, want) {
			t.Errorf("context %d: got %v, want %v", context, got, want)
		}
	}
}

func TestSpecialTokensInText(t *testing.T) {
	tokenizer := mustOpen(t, testutil.Golden("text/toy_merges.txt"))
	got := tokenizer.Encode(startText+" "+strings.ToUpper(endText), 77)
	if want := []int32{810, 810, 811, 811}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEncodeFromManyGoroutines(t *testing.T) {
	tokenizer := mustOpen(t, testutil.Golden("text/toy_merges.txt"))
	want := mustOpen(t, testutil.Golden("text/toy_merges.txt")).Encode("a photo of the dog", 77)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := tokenizer.Encode("a photo of the dog", 77); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkEncode(b *testing.B) {
	tokenizer := mustOpen(b, asset(b, "bpe_simple_vocab_16e6.txt.gz"))
	words, err := textlist.ReadFile(asset(b, "30k.txt"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("words=30000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fresh := &Tokenizer{merges: tokenizer.merges, start: tokenizer.start, end: tokenizer.end, words: map[string][]int32{}}
			for _, word := range words {
				fresh.Encode(word, 77)
			}
		}
	})
	b.Run("prompts=80000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, word := range words[:1000] {
				prompt := "a low resolution photo of the " + word + "."
				for range 80 {
					tokenizer.Encode(prompt, 77)
				}
			}
		}
	})
}
