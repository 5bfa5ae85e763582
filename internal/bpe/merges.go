package bpe

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

const (
	endOfWord = "</w>"

	// maxMerges makes the vocabulary 49408, CLIP's. OpenAI's file lists five
	// times as many merges, of which CLIP reads the first ones only.
	maxMerges = 49152 - alphabet - 2

	maxLine = 1 << 10  // bytes of a merge; the longest in use has 65
	maxFile = 64 << 20 // bytes, unpacked; OpenAI's file has 3.2 million
)

// Open reads the merges file at path, plain or gzip-compressed, as Read does.
func Open(path string) (*Tokenizer, error) {
	file, err := foreign.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read merges: %w", err)
	}
	defer file.Close()
	t, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("read merges: %s: %w", path, err)
	}
	return t, nil
}

// Read reads a merges file: a header line, then one merge a line, two tokens
// with a blank between. Whether it is gzip-compressed is told from its
// first bytes. At most 48894 merges are used; the rest is read only for the
// checksum's sake.
//
// In a token each byte is written as one character, itself where it is
// printable; "</w>" ends a word. A merge joins tokens known by then into a new
// one; a line that does not is an error, so that no other file passes for
// merges.
//
// Memory stays below 128 MiB, and below 64 times the size of a file that is
// not compressed.
func Read(r io.Reader) (*Tokenizer, error) {
	plain := bufio.NewReaderSize(r, maxLine)
	if magic, _ := plain.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzip, err := gzip.NewReader(plain)
		if err != nil {
			return nil, err
		}
		plain = bufio.NewReaderSize(unzip, maxLine)
	} else if head, _ := plain.Peek(foreign.HeadBytes); foreign.Mistaken(head) != nil {
		return nil, fmt.Errorf("%w, want a merges file", foreign.Mistaken(head))
	}
	counted := &io.LimitedReader{R: plain, N: maxFile + 1}
	t, err := parse(bufio.NewReaderSize(counted, maxLine))
	if counted.N == 0 {
		return nil, fmt.Errorf("more than %d MiB, want a merges file", maxFile>>20)
	}
	return t, err
}

func parse(lines *bufio.Reader) (*Tokenizer, error) {
	known := byteSymbols()
	merges := map[pair]int32{}

	header, _, err := readLine(lines)
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	if left, right, ok := strings.Cut(header, " "); ok && contains(known, left) && contains(known, right) {
		return nil, errors.New("line 1: a merge, want a header line, which is not used")
	}
	for number := 2; len(merges) < maxMerges; number++ {
		line, more, err := readLine(lines)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if line == "" && !more {
			break
		}
		if err := addMerge(merges, known, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		return nil, err
	}
	if len(merges) == 0 {
		return nil, errors.New("no merges after the header line, want at least one")
	}
	start := int32(2*alphabet + len(merges))
	return &Tokenizer{
		merges: merges,
		start:  start,
		end:    start + 1,
		words:  map[string][]int32{startText: {start}, endText: {start + 1}},
	}, nil
}

// readLine returns the next line without its end; more is false where the file
// ends with it.
func readLine(lines *bufio.Reader) (line string, more bool, err error) {
	data, err := lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", false, fmt.Errorf("more than %d bytes, want a merge", maxLine)
	case err == nil:
		more = true
	case err != io.EOF:
		return "", false, err
	}
	return strings.TrimRight(string(data), "\r\n"), more, nil
}

func addMerge(merges map[pair]int32, known map[string]int32, line string) error {
	left, right, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(right, " ") {
		return fmt.Errorf("%s, want two tokens with a blank between", foreign.Quote(line))
	}
	var p pair
	if p.left, ok = known[left]; !ok {
		return fmt.Errorf("%s: token %s is not known by then", foreign.Quote(line), foreign.Quote(left))
	}
	if p.right, ok = known[right]; !ok {
		return fmt.Errorf("%s: token %s is not known by then", foreign.Quote(line), foreign.Quote(right))
	}
	joined := left + right
	if contains(known, joined) {
		return fmt.Errorf("%s: token %s is known already", foreign.Quote(line), foreign.Quote(joined))
	}
	id := int32(2*alphabet + len(merges))
	merges[p], known[joined] = id, id
	return nil
}

func contains(known map[string]int32, token string) bool {
	_, ok := known[token]
	return ok
}

// byteTokens gives the token of each byte: printable bytes come first.
var byteTokens = func() (tokens [alphabet]int32) {
	next := int32(0)
	for _, printed := range []bool{true, false} {
		for b := range tokens {
			if printable(b) == printed {
				tokens[b] = next
				next++
			}
		}
	}
	return tokens
}()

// printable reports whether a merges file writes byte b as the Latin-1 character.
func printable(b int) bool {
	return '!' <= b && b <= '~' || '¡' <= b && b <= '¬' || '®' <= b && b <= 'ÿ'
}

// byteSymbols returns the spelling of the byte tokens, within and at the end of
// a word; bytes that are not printable are spelled from U+0100 up.
func byteSymbols() map[string]int32 {
	spelled := make(map[string]int32, 4*alphabet)
	next := rune(0x100)
	for b, token := range byteTokens {
		char := rune(b)
		if !printable(b) {
			char = next
			next++
		}
		spelled[string(char)] = token
		spelled[string(char)+endOfWord] = token + alphabet
	}
	return spelled
}
