package pipe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clipnh/clipnh/internal/npy"
)

// Hello asks which runtime the library at a path is.
type Hello struct {
	Library string `json:"library"`
}

// Runtime is what a library says of itself.
type Runtime struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Providers []string `json:"providers"`
	// Shares says that the helper can map memory that its starter shares.
	Shares bool `json:"shares"`
}

// Graph is a model to run, with its input and the outputs that are wanted.
type Graph struct {
	Path     string  `json:"path"` // of a file that may be removed once it is loaded
	Provider string  `json:"provider"`
	Threads  int     `json:"threads"`
	Input    Value   `json:"input"`
	Outputs  []Value `json:"outputs"`
}

// Value is an input or output, of which every image has numbers of a shape.
type Value struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"` // without the images
}

// Len is how many numbers an image has.
func (v Value) Len() int {
	n := 1
	for _, length := range v.Shape {
		n *= length
	}
	return n
}

// ErrLost means that the helper ended, or was ended because it did not answer or answered
// nonsense.
var ErrLost = errors.New("the helper program is lost")

// ErrRefused means that the helper answered with an error, and goes on.
var ErrRefused = errors.New("the helper program says")

// Client is a helper that runs. It is not safe for concurrent use.
type Client struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	said    *said
	wait    time.Duration
	graph   Graph
	memory  *shared // nil: numbers go through the pipe
	shares  bool    // whether the helper can use it
	lost    error   // once it is
}

// Start starts a program that calls Serve with its standard streams. An answer that takes
// longer than wait ends it.
func Start(program string, arguments, environment []string, wait time.Duration) (*Client, error) {
	c := &Client{command: exec.Command(program, arguments...), said: new(said), wait: wait}
	c.command.Env = append(os.Environ(), environment...)
	c.command.Stderr = c.said
	var err error
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 1<<16)
	if f, err := newMemoryFile(); err == nil { // else there is the pipe
		c.memory = &shared{file: f}
		c.command.ExtraFiles = []*os.File{f}
	}
	if err := c.command.Start(); err != nil {
		c.unshare()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return c, nil
}

// Hello opens the library at a path.
func (c *Client) Hello(library string) (*Runtime, error) {
	r := new(Runtime)
	err := c.ask("open "+library, kindHello, Hello{library}, r)
	c.shares = r.Shares
	return r, err
}

// Load loads a graph.
func (c *Client) Load(g Graph) error {
	c.graph = g
	return c.ask("load the graph", kindLoad, g, nil)
}

// ask sends a request in JSON and reads its answer; a nil answer is one without content.
func (c *Client) ask(what string, k kind, request, answer any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.exchange(what, k, func() error { return writeText(c.in, k, text) }, func(length int64) error {
		if answer == nil {
			if length != 0 {
				return fmt.Errorf("%d bytes, want none", length)
			}
			return nil
		}
		text, err := readText(c.out, length)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, answer)
	})
}

// Run runs the graph on a number of images and fills its outputs, in their order.
func (c *Client) Run(images int, input []float32, outputs [][]float32) error {
	if len(input) != images*c.graph.Input.Len() || len(outputs) != len(c.graph.Outputs) {
		panic("pipe: not the input and outputs of the graph")
	}
	total := int64(0)
	for i, v := range c.graph.Outputs {
		if len(outputs[i]) != images*v.Len() {
			panic("pipe: not an output of the graph")
		}
		total += 4 * int64(len(outputs[i]))
	}
	switch shared, err := c.share(images); {
	case err != nil:
		return err
	case shared:
		return c.runShared(images, input, outputs)
	}
	return c.exchange("run a batch", kindRun, func() error {
		if err := writeHeader(c.in, kindRun, 4*int64(len(input))); err != nil {
			return err
		}
		return npy.WriteElements(c.in, input)
	}, func(length int64) error {
		if length != total {
			return fmt.Errorf("%d bytes of outputs, want %d", length, total)
		}
		for _, out := range outputs {
			if err := readNumbers(c.out, out); err != nil {
				return err
			}
		}
		return nil
	})
}

// share sees to it that a batch fits into the memory that is shared, and reports whether it
// is.
func (c *Client) share(images int) (bool, error) {
	_, need := c.graph.places(images)
	switch {
	case c.memory == nil || !c.shares:
		return false, nil
	case need <= int64(len(c.memory.data)):
		return true, nil
	}
	err := c.memory.grow(need)
	if err == nil {
		err = c.ask("share memory", kindMemory, Memory{need}, nil)
	}
	switch {
	case c.lost != nil:
		return false, err
	case err != nil: // one of the two systems lacks addresses or memory for it
		c.unshare()
		return false, nil
	}
	return true, nil
}

// runShared is Run through shared memory.
func (c *Client) runShared(images int, input []float32, outputs [][]float32) error {
	at, _ := c.graph.places(images)
	copy(c.memory.floats(at[0], len(input)), input)
	if err := c.ask("run a batch", kindShared, Batch{images}, nil); err != nil {
		return err
	}
	for i, out := range outputs {
		copy(out, c.memory.floats(at[1+i], len(out)))
	}
	return nil
}

// unshare gives shared memory back.
func (c *Client) unshare() {
	if c.memory != nil {
		c.memory.close()
		c.memory = nil
	}
}

// exchange sends a request and reads the answer to it. Errors other than ErrRefused end
// the helper.
func (c *Client) exchange(what string, k kind, send func() error, receive func(length int64) error) error {
	if c.lost != nil {
		return c.lost
	}
	var late atomic.Bool
	timer := time.AfterFunc(c.wait, func() {
		late.Store(true)
		_ = c.command.Process.Kill() // it may have ended meanwhile
	})
	defer timer.Stop()
	err := send()
	if err == nil {
		var refused error
		if refused, err = c.answer(k, receive); refused != nil {
			return fmt.Errorf("%s: %w: %w", what, ErrRefused, refused)
		}
	}
	if err == nil {
		return nil
	}
	if late.Load() {
		err = fmt.Errorf("no answer in %s", c.wait)
	}
	c.lost = fmt.Errorf("%s: %w: %s", what, ErrLost, c.end(err))
	return c.lost
}

// answer reads an answer of a kind, or what the helper refuses with.
func (c *Client) answer(k kind, receive func(length int64) error) (refused, err error) {
	got, length, err := readHeader(c.out)
	switch {
	case err != nil:
		return nil, err
	case got == kindError:
		text, err := readText(c.out, length)
		if err != nil {
			return nil, err
		}
		return errors.New(line(string(text))), nil
	case got != k:
		return nil, fmt.Errorf("an answer of kind %d, want %d", got, k)
	}
	return nil, receive(length)
}

// end ends the helper after an error and says in a line what became of it.
func (c *Client) end(err error) string {
	c.unshare()
	_ = c.in.Close()
	timer := time.AfterFunc(time.Second, func() { _ = c.command.Process.Kill() }) // one that crashed needs less
	state := c.command.Wait()                                                     // what it said is whole then
	timer.Stop()
	text := line(err.Error())
	if eof := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed) || isBrokenPipe(err); eof && state != nil {
		text = "it ended: " + line(state.Error())
	} else if eof {
		text = "it ended before it answered"
	}
	if cause := c.said.line(); cause != "" {
		text += ": " + cause
	}
	return text
}

func isBrokenPipe(err error) bool {
	return strings.Contains(err.Error(), "broken pipe") || strings.Contains(err.Error(), "pipe is being closed")
}

// line is text in one line. Of a long one the middle is left out: libraries say first what
// failed and where, and last why.
func line(text string) string {
	const first, last = 160, 360
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > first+last {
		text = string(runes[:first]) + " ... " + string(runes[len(runes)-last:])
	}
	return text
}

// Close ends the helper.
func (c *Client) Close() error {
	if c.lost != nil {
		return nil
	}
	c.lost = fmt.Errorf("%w: it was closed", ErrLost)
	c.unshare()
	_ = c.in.Close()
	timer := time.AfterFunc(10*time.Second, func() { _ = c.command.Process.Kill() })
	defer timer.Stop()
	if err := c.command.Wait(); err != nil {
		return fmt.Errorf("end the helper program: %w", err)
	}
	return nil
}

// said keeps the beginning and the end of what a helper says of itself.
type said struct {
	mu         sync.Mutex
	first, end []byte
}

const (
	firstLen = 16 << 10
	endLen   = 4 << 10
)

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(b), firstLen-len(s.first))
	s.first = append(s.first, b[:n]...)
	s.end = append(s.end, b[max(n, len(b)-endLen):]...)
	s.end = s.end[max(0, len(s.end)-endLen):]
	return len(b), nil
}

// causes are how the lines begin that say why a Go program ended, before its goroutines.
var causes = []string{"panic: ", "fatal error: ", "SIG", "fatal: "}

// line is the line that says why the helper ended, or else the last that is not empty.
func (s *said) line() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := ""
	for text := range strings.Lines(string(s.first) + "\n" + string(s.end)) {
		if text = line(text); text == "" {
			continue
		}
		for _, cause := range causes {
			if strings.HasPrefix(text, cause) {
				return text
			}
		}
		last = text
	}
	return last
}
