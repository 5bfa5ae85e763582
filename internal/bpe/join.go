package bpe

import "container/heap"

// join applies the merges to the bytes of a word, which is not empty:
//
//	tokens = bytes of word, the last one ending the word
//	while a neighbouring pair of tokens is in merges:
//		join the pair listed first, at its leftmost place
//
// CLIP joins every occurrence of the pair before it looks again. That is the
// same, since a new pair holds the new token and so is listed after it.
// With candidates in a heap the cost is n log n for n bytes.
func (t *Tokenizer) join(word string) []int32 {
	row := make([]link, len(word))
	for i := range row {
		row[i] = link{token: byteTokens[word[i]], prev: i - 1, next: i + 1}
	}
	row[len(row)-1].token += alphabet

	var queue candidates
	propose := func(at int) {
		next := row[at].next
		if next == len(row) {
			return
		}
		if joined, ok := t.merges[pair{row[at].token, row[next].token}]; ok {
			heap.Push(&queue, candidate{joined, at})
		}
	}
	for i := range row {
		propose(i)
	}
	for queue.Len() > 0 {
		best := heap.Pop(&queue).(candidate)
		left := &row[best.at]
		if left.token == gone || left.next == len(row) {
			continue
		}
		right := &row[left.next]
		if joined, ok := t.merges[pair{left.token, right.token}]; !ok || joined != best.joined {
			continue // a neighbour was joined since
		}
		left.token, right.token = best.joined, gone
		left.next = right.next
		if left.next < len(row) {
			row[left.next].prev = best.at
		}
		propose(best.at)
		if left.prev >= 0 {
			propose(left.prev)
		}
	}

	ids := make([]int32, 0, 4)
	for i := 0; i < len(row); i = row[i].next {
		ids = append(ids, row[i].token)
	}
	return ids
}

// link is a token of a word in the making, in a row linked both ways.
type link struct {
	token      int32
	prev, next int
}

// gone marks a link that was joined to the one on its left.
const gone = -1

// candidate is a merge that applies at a link and its right neighbour.
type candidate struct {
	joined int32
	at     int
}

type candidates []candidate

func (c candidates) Len() int      { return len(c) }
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c candidates) Less(i, j int) bool {
	if c[i].joined != c[j].joined {
		return c[i].joined < c[j].joined
	}
	return c[i].at < c[j].at
}
func (c *candidates) Push(x any) { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	*c = (*c)[:last]
	return x
}
