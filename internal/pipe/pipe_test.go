package pipe

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/npy"
)

// behaviour is how the helper that this test binary becomes behaves.
const behaviour = "CLIPNH_TEST_HELPER"

func TestMain(m *testing.M) {
	if how := os.Getenv(behaviour); how != "" {
		os.Exit(help(how))
	}
	os.Exit(m.Run())
}

// doubler doubles its input: two numbers an image, and their sum as another output.
type doubler struct{ how string }

func (d *doubler) Hello(h Hello) (*Runtime, error) {
	if h.Library == "missing" {
		return nil, errors.New("no\nsuch library")
	}
	return &Runtime{Name: "test", Version: "1.2", Providers: []string{"A", "B"}}, nil
}

func (d *doubler) Load(g Graph) error {
	switch g.Provider {
	case "Other":
		return errors.New("no such provider")
	case "Wordy":
		return errors.New("Load library one.so " + strings.Repeat("in a long path/", 100) + " failed: two.so is not there")
	}
	return nil
}

func (d *doubler) Run(images int, input []float32, outputs [][]float32) error {
	switch d.how {
	case "still", "still, no memory":
		return nil
	case "crash":
		_, _ = os.Stderr.WriteString("\x1b[31mdriver: lost\n\n")
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour)
	case "panic":
		panic("a fault")
	case "chatty":
		_, _ = os.Stderr.WriteString(strings.Repeat("a line of many\n", 1<<14) + "the last of many lines\n")
		os.Exit(3)
	}
	if input[0] < 0 {
		return errors.New("a negative number")
	}
	for i, x := range input {
		outputs[0][i] = 2 * x
		outputs[1][i/2] += 0
	}
	for b := range images {
		outputs[1][b] = input[2*b] + input[2*b+1]
	}
	return nil
}

// help is the helper.
func help(how string) int {
	frames := map[string]func(io.Writer) error{
		"long hello": func(w io.Writer) error { return writeHeader(w, kindHello, 1<<40) },
		"cut hello": func(w io.Writer) error {
			return errors.Join(writeHeader(w, kindHello, 100), npy.WriteElements(w, make([]float32, 3)))
		},
		"huge hello":   func(w io.Writer) error { return writeHeader(w, kindHello, -1) },
		"no frame":     func(w io.Writer) error { _, err := io.WriteString(w, "a message of the library\n"); return err },
		"another kind": func(w io.Writer) error { return writeHeader(w, kindRun, 0) },
		"no JSON":      func(w io.Writer) error { return writeText(w, kindHello, []byte("{")) },
		"long refusal": func(w io.Writer) error { return writeHeader(w, kindError, 1<<40) },
		"nothing":      func(io.Writer) error { return nil },
	}
	if write, ok := frames[how]; ok {
		if err := write(os.Stdout); err != nil {
			return 1
		}
		if how != "cut hello" && how != "nothing" { // which end before they are asked
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
		return 0
	}
	if how == "short run" || how == "long run" {
		n := map[string]int64{"short run": 8, "long run": 1 << 40}[how]
		return map[bool]int{true: 0, false: 1}[serveLie(n) == nil]
	}
	if err := Serve(os.Stdin, os.Stdout, sharedUnless(how), &doubler{how}); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return 0
}

// sharedUnless is what the helper shares, unless it is to have none, or another.
func sharedUnless(how string) *os.File {
	switch how {
	case "no memory", "still, no memory":
		return nil
	case "short memory":
		f, err := os.CreateTemp("", "clipnh-*")
		if err != nil {
			panic(err)
		}
		_ = os.Remove(f.Name())
		return f
	}
	return MemoryFile()
}

// serveLie answers a batch with another length than that of the outputs.
func serveLie(length int64) error {
	for {
		k, n, err := readHeader(os.Stdin)
		if err != nil {
			return nil
		}
		if _, err := io.CopyN(io.Discard, os.Stdin, n); err != nil {
			return err
		}
		switch k {
		case kindRun:
			err = errors.Join(writeHeader(os.Stdout, kindRun, length), npy.WriteElements(os.Stdout, make([]float32, 6)))
		case kindHello:
			err = writeText(os.Stdout, k, []byte("{}"))
		default:
			err = writeHeader(os.Stdout, k, 0)
		}
		if err != nil {
			return err
		}
	}
}

func start(t testing.TB, how string, wait time.Duration) *Client {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(program, nil, []string{behaviour + "=" + how}, wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var graph = Graph{Path: "g", Input: Value{"x", []int{2}}, Outputs: []Value{{"y", []int{1, 2}}, {"sum", []int{1}}}}

func batch(n int) (input []float32, outputs [][]float32) {
	for i := range 2 * n {
		input = append(input, float32(i))
	}
	return input, [][]float32{make([]float32, 2*n), make([]float32, n)}
}

// TestClient runs batches in shared memory, and through the pipe where the helper has none,
// or refuses it.
func TestClient(t *testing.T) {
	for _, how := range []string{"well", "no memory", "short memory"} {
		t.Run(how, func(t *testing.T) { testClient(t, how) })
	}
}

func testClient(t *testing.T, how string) {
	c := start(t, how, time.Minute)
	if _, err := c.Hello("missing"); !errors.Is(err, ErrRefused) || err.Error() != "open missing: the helper program says: no such library" {
		t.Errorf("a library that is not there: %v", err)
	}
	r, err := c.Hello("there")
	if err != nil || r.Version != "1.2" || !slices.Equal(r.Providers, []string{"A", "B"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := c.Load(Graph{Provider: "Other"}); !errors.Is(err, ErrRefused) {
		t.Errorf("a provider that is not there: %v", err)
	}
	if err := c.Load(Graph{Provider: "Wordy"}); err == nil || len(err.Error()) > 600 || !strings.Contains(err.Error(), "says: Load library one.so") || !strings.HasSuffix(err.Error(), "/ failed: two.so is not there") {
		t.Errorf("a long refusal: %v, want its beginning and end", err)
	}
	if err := c.Load(graph); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{3, 1, 2 * block} { // large ones in several blocks, memory used again
		input, outputs := batch(n)
		input[1] = float32(math.Inf(1))
		if err := c.Run(n, input, outputs); err != nil {
			t.Fatal(err)
		}
		for i, x := range input {
			if outputs[0][i] != 2*x {
				t.Fatalf("%d images: output %d is %g, want %g", n, i, outputs[0][i], 2*x)
			}
		}
		if last := outputs[1][n-1]; n > 1 && last != input[2*n-2]+input[2*n-1] {
			t.Errorf("%d images: the last sum is %g", n, last)
		}
	}
	if shared, want := c.memory != nil && c.memory.data != nil, how == "well" && canShare(t); shared != want {
		t.Errorf("memory is shared: %t, want %t", shared, want)
	}
	input, outputs := batch(1)
	input[0] = -1
	if err := c.Run(1, input, outputs); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "a negative number") {
		t.Errorf("a negative number: %v", err)
	}
	input[0] = 1
	if err := c.Run(1, input, outputs); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Run(1, input, outputs); !errors.Is(err, ErrLost) {
		t.Errorf("after Close: %v", err)
	}
}

func canShare(t *testing.T) bool {
	f, err := newMemoryFile()
	if errors.Is(err, errors.ErrUnsupported) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return true
}

// BenchmarkRun sends batches of 64 images of RN50's size, and takes features and scores.
func BenchmarkRun(b *testing.B) {
	for _, how := range []string{"still", "still, no memory"} {
		b.Run(how, func(b *testing.B) {
			c := start(b, how, time.Minute)
			if _, err := c.Hello("there"); err != nil {
				b.Fatal(err)
			}
			g := Graph{Input: Value{"x", []int{3, 224, 224}}, Outputs: []Value{{"f", []int{1024}}, {"s", []int{32, 2048}}}}
			if err := c.Load(g); err != nil {
				b.Fatal(err)
			}
			const images = 64
			input, outputs := make([]float32, images*g.Input.Len()), [][]float32{make([]float32, images*1024), make([]float32, images*32*2048)}
			b.SetBytes(4 * int64(len(input)+len(outputs[0])+len(outputs[1])))
			for b.Loop() {
				if err := c.Run(images, input, outputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLost holds that whatever a helper does is an error of one line, soon.
func TestLost(t *testing.T) {
	for _, tt := range []struct{ how, want string }{
		{"crash", "run a batch: the helper program is lost: it ended: exit status 7: "},
		{"crash", "driver: lost"},
		{"panic", "it ended: exit status 2: panic: a fault"},
		{"chatty", "it ended: exit status 3: the last of many lines"},
		{"hang", "no answer in 2s"},
		{"short run", "8 bytes of outputs, want 36"},
		{"long run", "1099511627776 bytes of outputs, want 36"},
		{"long hello", "a text of 1099511627776 bytes, want at most 1048576"},
		{"cut hello", "it ended before it answered"},
		{"huge hello", "a frame of 18446744073709551615 bytes"},
		{"no frame", `what came is no frame: "a me"`},
		{"another kind", "an answer of kind 3, want 1"},
		{"no JSON", "unexpected end of JSON input"},
		{"long refusal", "a text of 1099511627776 bytes"},
		{"nothing", "it ended before it answered"},
	} {
		t.Run(tt.how, func(t *testing.T) {
			wait := time.Minute
			if tt.how == "hang" {
				wait = 2 * time.Second
			}
			began := time.Now()
			c := start(t, tt.how, wait)
			input, outputs := batch(3)
			_, err := c.Hello("there")
			if err == nil {
				err = c.Load(graph)
			}
			if err == nil {
				err = c.Run(3, input, outputs)
			}
			if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if again := c.Load(graph); again == nil || again.Error() != err.Error() {
				t.Errorf("afterwards: %v, want the same error", again)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestStart(t *testing.T) {
	if _, err := Start("no/such/program", nil, nil, time.Second); err == nil {
		t.Error("a program that is not there was started")
	}
}

// TestServe holds that requests that cannot be end a helper, with an error and little
// memory.
func TestServe(t *testing.T) {
	load := func(w *bytes.Buffer) { _ = writeText(w, kindLoad, []byte(`{"input":{"name":"x","shape":[2]}}`)) }
	for _, tt := range []struct {
		name  string
		write func(w *bytes.Buffer)
		want  string
	}{
		{"nothing", func(*bytes.Buffer) {}, ""},
		{"no frame", func(w *bytes.Buffer) { w.WriteString("GET / HTTP/1.1\r\n") }, "no frame"},
		{"cut header", func(w *bytes.Buffer) { w.WriteString("cnh1") }, "unexpected EOF"},
		{"a long hello", func(w *bytes.Buffer) { _ = writeHeader(w, kindHello, 1<<40) }, "a text of"},
		{"no JSON", func(w *bytes.Buffer) { _ = writeText(w, kindLoad, []byte("x")) }, "invalid character"},
		{"a batch first", func(w *bytes.Buffer) { _ = writeHeader(w, kindRun, 8) }, "a batch before a graph"},
		{"half an image", func(w *bytes.Buffer) { load(w); _ = writeHeader(w, kindRun, 12) }, "a batch of 12 bytes, want images of 2 numbers"},
		{"no image", func(w *bytes.Buffer) { load(w); _ = writeHeader(w, kindRun, 0) }, "a batch of 0 bytes"},
		{"memory without any", func(w *bytes.Buffer) { _ = writeText(w, kindMemory, []byte(`{"bytes":64}`)) }, ""},
		{"a batch in no memory", func(w *bytes.Buffer) { load(w); _ = writeText(w, kindShared, []byte(`{"images":1}`)) }, "a batch of 1 images of 2 numbers in shared memory"},
		{"a shared batch first", func(w *bytes.Buffer) { _ = writeText(w, kindShared, []byte(`{"images":1}`)) }, "a batch before a graph"},
		{"a huge batch", func(w *bytes.Buffer) { load(w); _ = writeHeader(w, kindRun, 1<<50) }, "a batch of 1125899906842624 bytes"},
		{"another kind", func(w *bytes.Buffer) { _ = writeHeader(w, 77, 0) }, "a request of kind 77"},
	} {
		var in, out bytes.Buffer
		tt.write(&in)
		err := Serve(&in, &out, nil, &doubler{})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
