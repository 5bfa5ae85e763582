package collect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// sums are what a collection that keeps no row per picture adds its values to.
type sums interface {
	// add adds the values of pictures, in their order.
	add(values []float32)
	// arrays are the slices that it consists of, of fixed sizes: []float64,
	// []float32 or []int32.
	arrays() []any
	// resumed is told that the arrays were filled with those of so many pictures.
	resumed(images int)
}

// sumState is how far a collection into sums is. It is kept on disk, with the
// sums behind it, so that the collection can go on after being killed:
//
//	a line of JSON
//	the arrays' elements, little-endian
//	the CRC-32C of all this, little-endian
type sumState struct {
	Origin  origin.Origin    `json:"origin"`
	Inputs  int              `json:"inputs"`  // pictures in all
	Done    int              `json:"done"`    // pictures that were looked at
	Images  int              `json:"images"`  // of them, those that have values
	Skipped []source.Skipped `json:"skipped"` // and the others
	// Pictures is the CRC-32C of the checksums of their files; see cache.SumOf.
	Pictures uint32 `json:"pictures_crc32c"`
}

// add counts a chunk.
func (s *sumState) add(chunk collected) {
	s.Done += chunk.images + len(chunk.skipped)
	s.Images += chunk.images
	s.Skipped = append(s.Skipped, chunk.skipped...)
	s.Pictures = addSums(s.Pictures, chunk.sums)
}

func (c *collector) statePath() string { return c.options.SavePath + ".sum" }

// removeState takes away what an unfinished run left.
func (c *collector) removeState() error {
	return cache.RemoveFile(c.statePath())
}

// saveState writes the state with its sums, wholly or not at all.
func (c *collector) saveState(state *sumState, s sums) error {
	return cache.WriteFile(c.statePath(), func(to io.Writer) error {
		sum := crc32.New(shard.StateTable)
		w := io.MultiWriter(to, sum)
		if err := json.NewEncoder(w).Encode(state); err != nil {
			return err
		}
		err := eachBlock(s, func(block any) error {
			raw, err := binary.Append(nil, binary.LittleEndian, block)
			if err == nil {
				_, err = w.Write(raw)
			}
			return err
		})
		if err != nil {
			return err
		}
		return binary.Write(to, binary.LittleEndian, sum.Sum32())
	})
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

// resumeSums fills s with what an earlier run left, if it left anything.
func (c *collector) resumeSums(origin origin.Origin, s sums) (*sumState, error) {
	fresh := &sumState{Origin: origin, Inputs: len(c.items), Skipped: []source.Skipped{}}
	if c.options.Restart {
		return fresh, nil
	}
	f, err := os.Open(c.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := readState(f, fresh, s)
	if errors.Is(err, cache.ErrStale) {
		return nil, fmt.Errorf("%s: %w: it belongs to another collection; remove it, or discard it with {restart}", c.statePath(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w (remove it to start over)", c.statePath(), err)
	}
	s.resumed(found.Images)
	return found, nil
}

// readState reads a state that must be of the collection of fresh.
func readState(from io.Reader, fresh *sumState, s sums) (*sumState, error) {
	sum := crc32.New(shard.StateTable)
	r := bufio.NewReaderSize(from, 1<<16)
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	var found sumState
	if err := json.Unmarshal(line, &found); err != nil {
		return nil, err
	}
	wanted, _ := json.Marshal([]any{fresh.Origin, fresh.Inputs})
	if got, _ := json.Marshal([]any{found.Origin, found.Inputs}); !bytes.Equal(got, wanted) {
		return nil, cache.ErrStale
	}
	if found.Done < 0 || found.Done > found.Inputs || found.Images != found.Done-len(found.Skipped) {
		return nil, fmt.Errorf("inconsistent counts: %d images and %d skipped of %d, %d in all", found.Images, len(found.Skipped), found.Done, found.Inputs)
	}
	sum.Write(line)
	err = eachBlock(s, func(block any) error { return binary.Read(io.TeeReader(r, sum), binary.LittleEndian, block) })
	if err != nil {
		return nil, err
	}
	var written uint32
	if err := binary.Read(r, binary.LittleEndian, &written); err != nil {
		return nil, err
	}
	if written != sum.Sum32() {
		return nil, fmt.Errorf("%w: its CRC-32C is not the one in it", cache.ErrDamaged)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return nil, errors.New("bytes after the end")
	}
	return &found, nil
}

// readLine reads up to a newline, at most maxState bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line, nil
		}
		if err != bufio.ErrBufferFull || len(line) > shard.MaxState {
			return nil, fmt.Errorf("no line of at most %d bytes at its beginning", shard.MaxState)
		}
	}
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
