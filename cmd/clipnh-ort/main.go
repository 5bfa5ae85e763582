// Command clipnh-ort runs graphs in ONNX Runtime for clipnh, which starts it and speaks
// with it over its standard streams; see package pipe. People do not call it.
//
// It is a program of its own, since one that opens a library is dynamic on Linux, and since
// a fault of the library or of a driver ends it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/clipnh/clipnh/internal/ort"
	"github.com/clipnh/clipnh/internal/pipe"
)

func main() {
	// A terminal interrupts clipnh and its helper at once. clipnh finishes what it has begun,
	// and closes the pipe then.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], os.Stdin, pipe.MemoryFile(), os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, memory *os.File, stdout, stderr io.Writer) int {
	if len(args) != 1 || args[0] != "serve" {
		fmt.Fprintln(stderr, `error: clipnh-ort is started by "clipnh collect --device"; see "clipnh info --devices"`)
		return 2
	}
	b := new(backend)
	defer b.close()
	if err := pipe.Serve(stdin, stdout, memory, b); err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	return 0
}

// backend is ONNX Runtime.
type backend struct {
	library *ort.Library
	session *ort.Session
	graph   pipe.Graph
}

func (b *backend) close() {
	if b.session != nil {
		b.session.Close()
	}
	if b.library != nil {
		b.library.Close()
	}
}

func (b *backend) Hello(h pipe.Hello) (*pipe.Runtime, error) {
	if b.library != nil {
		return nil, errors.New("a library is open")
	}
	l, err := ort.Open(h.Library)
	if err != nil {
		return nil, err
	}
	b.library = l
	providers, err := l.Providers()
	return &pipe.Runtime{Name: "ONNX Runtime", Version: l.Version(), Providers: providers}, err
}

func (b *backend) Load(g pipe.Graph) error {
	if b.library == nil {
		return errors.New("no library is open")
	}
	if b.session != nil {
		b.session.Close()
		b.session = nil
	}
	s, err := b.library.NewSession(g.Path, ort.Options{Provider: g.Provider, Threads: g.Threads})
	if err != nil {
		return err
	}
	b.session, b.graph = s, g
	return nil
}

func (b *backend) Run(images int, input []float32, outputs [][]float32) error {
	tensor := func(v pipe.Value, values []float32) ort.Tensor {
		return ort.Tensor{Name: v.Name, Shape: append([]int{images}, v.Shape...), Values: values}
	}
	var out []ort.Tensor
	for i, v := range b.graph.Outputs {
		out = append(out, tensor(v, outputs[i]))
	}
	return b.session.Run(tensor(b.graph.Input, input), out)
}
