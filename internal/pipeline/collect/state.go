package collect

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
)

// sums are what a collection that keeps no row per image adds its values to.
type sums interface {
	// add adds the values of images, in their order.
	add(values []float32)
	// arrays are the slices that it consists of, of fixed sizes: []float64, []float32,
	// []int32, []uint32 or []uint64.
	arrays() []any
	// resumed is called after the arrays were filled with those of the first images.
	resumed(images int)
}

// sumState is how far a collection into sums is. It is kept on disk with the
// arrays' elements behind it, little-endian; see cache.State.
type sumState struct {
	Done    int              `json:"done"`    // images that were looked at
	Images  int              `json:"images"`  // of them, those that have values
	Skipped []source.Skipped `json:"skipped"` // and the others
	// Images is the CRC-32C of the checksums of their files; see cache.SumOf.
	Sum uint32 `json:"pictures_crc32c"`
	// Kernel has the families of kernels that computed the values; see cache.Families.
	Kernel string `json:"kernel,omitempty"`
	// HeldBy is dataset.HeldBy of the images that were looked at.
	HeldBy string `json:"held_by,omitempty"`
	// Rate is how many images a second the run did that saved it; of a summary.
	Rate float64 `json:"rate,omitempty"`
}

// add counts a chunk.
func (s *sumState) add(chunk collected) {
	s.Done += chunk.images + len(chunk.skipped)
	s.Images += chunk.images
	s.Skipped = append(s.Skipped, chunk.skipped...)
	s.Sum = addSums(s.Sum, chunk.sums)
	s.Kernel = cache.AddFamilies(s.Kernel, chunk.family)
}

// state is where the sums of a collection of an origin are kept while it is under
// way.
func (c *collector) state(kind string, o origin.Origin) cache.State {
	return cache.State{Artefact: c.options.SavePath, Kind: kind, Origin: o, Inputs: len(c.items), Store: c.options.Store}
}

// saveSums writes how far sums are.
func (c *collector) saveSums(at cache.State, state *sumState, s sums) error {
	state.HeldBy = c.heldBy(0, state.Done)
	return at.Save(state, func(w io.Writer) error {
		return eachBlock(s, func(block any) error {
			raw, err := binary.Append(nil, binary.LittleEndian, block)
			if err == nil {
				_, err = w.Write(raw)
			}
			return err
		})
	})
}

// saveShare is how many times longer the work between two states is than the saving of one,
// which takes 118 MiB for RN50x16, or 380 MB of a summary.
const saveShare = 20

// pace says when a state is due: after the first chunk, and then by how long the last one took
// to save, so that neither saving nor what a kill loses takes much time, however quick the model
// and the disk are.
type pace struct {
	saved time.Time
	cost  time.Duration
}

func (p *pace) now() bool { return time.Since(p.saved) >= saveShare*p.cost }

func (p *pace) save(save func() error) error {
	began := time.Now()
	err := save()
	p.saved = time.Now()
	p.cost = p.saved.Sub(began)
	return err
}

// eachBlock hands over the elements of sums in pieces of moderate size.
func eachBlock(s sums, do func(block any) error) error {
	for _, a := range s.arrays() {
		var err error
		switch a := a.(type) {
		case []float64:
			err = cut(a, do)
		case []float32:
			err = cut(a, do)
		case []int32:
			err = cut(a, do)
		case []uint32:
			err = cut(a, do)
		case []uint64:
			err = cut(a, do)
		default:
			panic("pipeline: sums of another type")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func cut[T any](a []T, do func(block any) error) error {
	const block = 1 << 16
	for lo := 0; lo < len(a); lo += block {
		if err := do(a[lo:min(lo+block, len(a))]); err != nil {
			return err
		}
	}
	return nil
}

// resumeSums fills s with what an earlier run left, if it left anything. A restart
// takes nothing.
func resumeSums(at cache.State, restart bool, s sums) (*sumState, error) {
	state := &sumState{Skipped: []source.Skipped{}}
	if restart {
		return state, nil
	}
	found, err := at.Load(state, func(r io.Reader) error { return readSums(r, state, at.Inputs, s) })
	if err == nil && found {
		s.resumed(state.Images)
		if state.Kernel == "" && state.Done > 0 {
			state.Kernel = cache.UnknownFamily
		}
	}
	return state, err
}

// readSums reads the elements of s, which are those of state.
func readSums(r io.Reader, state *sumState, inputs int, s sums) error {
	if state.Done < 0 || state.Done > inputs || state.Images != state.Done-len(state.Skipped) {
		return fmt.Errorf("inconsistent counts: %s and %d skipped of %d, %d in all", quantity.Of(state.Images, "image"), len(state.Skipped), state.Done, inputs)
	}
	return eachBlock(s, func(block any) error { return binary.Read(r, binary.LittleEndian, block) })
}

// valueSums are the sums of every value.
type valueSums []float64

func (v valueSums) add(values []float32) {
	for i, x := range values {
		v[i%len(v)] += float64(x)
	}
}

func (v valueSums) arrays() []any { return []any{[]float64(v)} }
func (v valueSums) resumed(int)   {}

// mean returns the mean over images.
func (v valueSums) mean(images int) []float32 {
	mean := make([]float32, len(v))
	for i, x := range v {
		mean[i] = float32(x / float64(images))
	}
	return mean
}
