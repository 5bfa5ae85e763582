package remote

import (
	"container/list"
	"sync"

	"github.com/clipnh/clipnh/internal/par"
)

const (
	blockBytes = 1 << 20
	mostBlocks = 64 // of all objects, kept in memory
	ahead      = 6  // blocks that are fetched before they are asked for
	mostAtOnce = 8  // requests for them
)

// A block is a part of an object, which may still be on its way.
type block struct {
	key  blockKey
	done chan struct{}
	data []byte
	err  error

	panicked *par.Panic // what ended the fetching, for those who wait
}

type blockKey struct {
	of *Object
	i  int64
}

// kept are the blocks in memory, the last read first.
var kept = struct {
	sync.Mutex
	at   map[blockKey]*list.Element // of *block
	used *list.List
}{at: map[blockKey]*list.Element{}, used: list.New()}

// sending bounds the requests for blocks that nobody waits for yet.
var sending = make(chan struct{}, mostAtOnce)

// reading is how far an object was read.
type reading struct {
	sync.Mutex
	next int64 // the block after the last that was asked for
}

// inOrder notes that block i was asked for, and reports whether it follows those before it, as
// far as goroutines that read in order keep it.
func (r *reading) inOrder(i int64) bool {
	const late = 4
	r.Lock()
	defer r.Unlock()
	ok := i <= r.next && i > r.next-late
	if !ok || i == r.next {
		r.next = i + 1
	}
	return ok
}

// block returns block i of the object, and has those behind it fetched while blocks are read in
// order.
func (o *Object) block(i int64) ([]byte, error) {
	b, mine := take(blockKey{o, i})
	if mine {
		b.fetch()
	}
	if o.blocks.inOrder(i) {
		o.fetchAhead(i)
	}
	<-b.done
	b.panicked.Rethrow()
	return b.data, b.err
}

// fetchAhead has the blocks behind block i fetched, unless enough are on their way.
func (o *Object) fetchAhead(i int64) {
	for k := i + 1; k <= i+ahead && k*blockBytes < o.Size; k++ {
		select {
		case sending <- struct{}{}:
		default:
			return
		}
		b, mine := take(blockKey{o, k})
		if !mine {
			<-sending
			continue
		}
		go func() {
			b.fetch()
			<-sending
		}()
	}
}

// take returns a block; mine says that the caller has to fetch it.
func take(key blockKey) (b *block, mine bool) {
	kept.Lock()
	defer kept.Unlock()
	if e, ok := kept.at[key]; ok {
		kept.used.MoveToFront(e)
		return e.Value.(*block), false
	}
	b = &block{key: key, done: make(chan struct{})}
	kept.at[key] = kept.used.PushFront(b)
	for kept.used.Len() > mostBlocks {
		last := kept.used.Back()
		delete(kept.at, last.Value.(*block).key) // who waits for it has it
		kept.used.Remove(last)
	}
	return b, true
}

// fetch reads the block, for all who wait for it.
func (b *block) fetch() {
	b.panicked = par.Catch(b.fill)
	close(b.done)
}

// fill reads the block. One that failed is not kept: who asks next tries again.
func (b *block) fill() {
	o, at := b.key.of, b.key.i*blockBytes
	data := make([]byte, min(blockBytes, o.Size-at))
	if b.err = o.fetch(data, at); b.err == nil {
		b.data = data
		return
	}
	kept.Lock()
	defer kept.Unlock()
	if e, ok := kept.at[b.key]; ok && e.Value.(*block) == b {
		delete(kept.at, b.key)
		kept.used.Remove(e)
	}
}
