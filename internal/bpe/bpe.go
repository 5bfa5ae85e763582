// Package bpe turns text into the token ids of CLIP's text tower.
//
// A token is a piece of a word; the vocabulary numbers them. It follows from
// the merges, a file that lists pairs of tokens to be joined, best first: 256
// bytes, the same 256 ending a word, one token per merge, and the start-of-text
// and end-of-text tokens. A word is what the pre-tokeniser cuts text into, after
// the text has been cleaned and lower-cased; merges never cross words.
//
// Ids equal those of open_clip's tokenizer, which is openai/CLIP's with the special
// tokens spelled another way (the reference of this project uses the former);
// clean.go lists what is left out of ftfy.fix_text, which both call first.
package bpe

import (
	"strings"
	"sync"
)

const (
	startText = "<start_of_text>"
	endText   = "<end_of_text>"

	alphabet = 256 // byte tokens; as many again end a word
)

// A Tokenizer encodes text with one vocabulary. It may be used by several
// goroutines at once.
type Tokenizer struct {
	merges     map[pair]int32 // two tokens, the token they join into
	start, end int32

	mu    sync.RWMutex
	words map[string][]int32 // words met so far, and the two special tokens
}

type pair struct{ left, right int32 }

// Bounds on the words remembered: enough for any word list, 60 MB at the very most.
const (
	maxWords   = 1 << 17
	maxWordLen = 64 // bytes
)

// Vocab is the number of tokens; ids are below it.
func (t *Tokenizer) Vocab() int { return int(t.end) + 1 }

// Encode returns the ids of text between start-of-text and end-of-text, without
// padding. A text of more than context tokens is cut to that many, the last
// one replaced by end-of-text. Encode panics if context is not positive.
//
// <start_of_text> and <end_of_text> in text give the special tokens' ids, as in
// open_clip. Bytes that are not UTF-8 are read as U+FFFD.
func (t *Tokenizer) Encode(text string, context int) []int32 {
	if context < 1 {
		panic("bpe: context below one token")
	}
	ids := make([]int32, 1, min(context, 16))
	ids[0] = t.start
	rest := clean(text)
	for len(ids) < context {
		var word string
		if word, rest = cutWord(rest); word == "" {
			break
		}
		ids = append(ids, t.word(word)...)
	}
	ids = append(ids, t.end)
	if len(ids) > context {
		ids = ids[:context]
		ids[context-1] = t.end
	}
	return ids
}

// Length is the number of tokens of a whole text, start-of-text and end-of-text
// included: how many Encode would return if the context had no bound.
func (t *Tokenizer) Length(text string) int {
	n := 2
	rest := clean(text)
	for {
		var word string
		if word, rest = cutWord(rest); word == "" {
			return n
		}
		n += len(t.word(word))
	}
}

// word returns the ids of one word; callers must not change them.
func (t *Tokenizer) word(word string) []int32 {
	t.mu.RLock()
	ids, ok := t.words[word]
	t.mu.RUnlock()
	if ok {
		return ids
	}
	ids = t.join(word)
	if len(word) <= maxWordLen {
		t.mu.Lock()
		if len(t.words) < maxWords {
			t.words[strings.Clone(word)] = ids // word is part of a longer text
		}
		t.mu.Unlock()
	}
	return ids
}
