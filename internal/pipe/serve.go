package pipe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/clipnh/clipnh/internal/npy"
)

// A Backend is what a helper runs graphs with.
type Backend interface {
	Hello(Hello) (*Runtime, error)
	Load(Graph) error
	// Run runs the loaded graph on a number of images and fills outputs, in their order.
	Run(images int, input []float32, outputs [][]float32) error
}

// maxNumbers bounds a batch, in numbers.
const maxNumbers = 1 << 31

// Serve answers requests until there are no more. An error of the backend is an answer; one
// of the streams, or a request that cannot be, ends it. memory is the file that the starter
// shares, which Serve closes; nil: there is none.
func Serve(r io.Reader, w io.Writer, memory *os.File, b Backend) error {
	s := &server{r: bufio.NewReaderSize(r, 1<<16), w: bufio.NewWriterSize(w, 1<<16), backend: b}
	if memory != nil {
		s.memory = &shared{file: memory}
		defer s.memory.close()
	}
	for {
		k, length, err := readHeader(s.r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.answer(k, length); err != nil {
			return err
		}
		if err := s.w.Flush(); err != nil {
			return err
		}
	}
}

type server struct {
	r       *bufio.Reader
	w       *bufio.Writer
	backend Backend
	graph   *Graph  // nil: none is loaded
	memory  *shared // nil: none is shared

	input   []float32
	outputs [][]float32
}

func (s *server) answer(k kind, length int64) error {
	switch k {
	case kindHello:
		var h Hello
		if err := s.request(length, &h); err != nil {
			return err
		}
		runtime, err := s.backend.Hello(h)
		if err != nil {
			return s.refuse(err)
		}
		runtime.Shares = s.memory != nil
		text, err := json.Marshal(runtime)
		if err != nil {
			return s.refuse(err)
		}
		return writeText(s.w, k, text)
	case kindLoad:
		g := new(Graph)
		if err := s.request(length, g); err != nil {
			return err
		}
		if err := s.backend.Load(*g); err != nil {
			s.graph = nil
			return s.refuse(err)
		}
		s.graph = g
		return writeHeader(s.w, k, 0)
	case kindRun:
		return s.run(length)
	case kindMemory:
		var m Memory
		if err := s.request(length, &m); err != nil {
			return err
		}
		if err := s.share(m.Bytes); err != nil {
			return s.refuse(err)
		}
		return writeHeader(s.w, k, 0)
	case kindShared:
		var b Batch
		if err := s.request(length, &b); err != nil {
			return err
		}
		return s.runShared(b.Images)
	}
	return fmt.Errorf("a request of kind %d", k)
}

func (s *server) request(length int64, into any) error {
	text, err := readText(s.r, length)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (s *server) refuse(err error) error {
	text := err.Error()
	return writeText(s.w, kindError, []byte(text[:min(len(text), maxText)]))
}

func (s *server) run(length int64) error {
	if s.graph == nil {
		return errors.New("a batch before a graph")
	}
	each := s.graph.Input.Len()
	if length <= 0 || length%4 != 0 || length/4 > maxNumbers || each < 1 || length/4%int64(each) != 0 {
		return fmt.Errorf("a batch of %d bytes, want images of %d numbers", length, each)
	}
	images := int(length / 4 / int64(each))
	s.input = sized(s.input, images*each)
	if err := readNumbers(s.r, s.input); err != nil {
		return err
	}
	if len(s.outputs) != len(s.graph.Outputs) {
		s.outputs = make([][]float32, len(s.graph.Outputs))
	}
	total := int64(0)
	for i, v := range s.graph.Outputs {
		s.outputs[i] = sized(s.outputs[i], images*v.Len())
		total += 4 * int64(len(s.outputs[i]))
	}
	if err := s.backend.Run(images, s.input, s.outputs); err != nil {
		return s.refuse(err)
	}
	if err := writeHeader(s.w, kindRun, total); err != nil {
		return err
	}
	for _, out := range s.outputs {
		if err := npy.WriteElements(s.w, out); err != nil {
			return err
		}
	}
	return nil
}

// share maps what the starter shares, which must be as long as it says: a byte beyond the
// end of the file would end the helper where it is touched.
func (s *server) share(bytes int64) error {
	if s.memory == nil {
		return errors.New("no memory is shared")
	}
	info, err := s.memory.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || bytes < 1 || info.Size() < bytes {
		return fmt.Errorf("%d bytes of shared memory, want %d", info.Size(), bytes)
	}
	return s.memory.resize(bytes)
}

// runShared is run on a batch in shared memory.
func (s *server) runShared(images int) error {
	if s.graph == nil {
		return errors.New("a batch before a graph")
	}
	each := s.graph.Input.Len()
	if s.memory == nil || images < 1 || each < 1 || images > maxNumbers/each {
		return fmt.Errorf("a batch of %d images of %d numbers in shared memory", images, each)
	}
	at, end := s.graph.places(images)
	if end > int64(len(s.memory.data)) {
		return fmt.Errorf("a batch of %d bytes in %d of shared memory", end, len(s.memory.data))
	}
	outputs := make([][]float32, len(s.graph.Outputs))
	for i, v := range s.graph.Outputs {
		outputs[i] = s.memory.floats(at[1+i], images*v.Len())
	}
	if err := s.backend.Run(images, s.memory.floats(at[0], images*each), outputs); err != nil {
		return s.refuse(err)
	}
	return writeHeader(s.w, kindShared, 0)
}

// sized returns memory of n numbers, buffer's if it is large enough.
func sized(buffer []float32, n int) []float32 {
	if cap(buffer) < n {
		return make([]float32, n)
	}
	return buffer[:n]
}
