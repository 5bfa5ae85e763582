// Command ours is clipnh's side of the comparison with other inference
// programs. README.md in the parent folder has the protocol.
//
//	ours image MODEL.pt IMAGES BATCH THREADS
//	ours image-bf16 MODEL.pt IMAGES BATCH THREADS
//	ours DEVICE MODEL.pt IMAGES BATCH THREADS
//	ours text MODEL.pt TEXTS THREADS
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/pipeline/device"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "ours: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := cpu.Err(); err != nil {
		return err
	}
	var w *work
	var err error
	switch {
	case len(args) == 5 && args[0] == "image":
		w, err = openImages(args[1], args[2], args[3], args[4], kernel.Float32, "")
	case len(args) == 5 && args[0] == "image-bf16":
		w, err = openImages(args[1], args[2], args[3], args[4], kernel.BFloat16, "")
	case len(args) == 5 && slices.Contains(device.Names(), args[0]):
		w, err = openImages(args[1], args[2], args[3], args[4], kernel.Float32, args[0])
	case len(args) == 4 && args[0] == "text":
		w, err = openTexts(args[1], args[2], args[3])
	default:
		return fmt.Errorf("arguments %q, want image, image-bf16 or a device (%s) MODEL IMAGES BATCH THREADS, or text MODEL TEXTS THREADS", args, strings.Join(device.Names(), ", "))
	}
	if err != nil {
		return err
	}
	return w.serve(stdin, stdout)
}

// work is an inference that is repeated on the same inputs.
type work struct {
	runs     string // the kernels or the device that it runs on
	units    int    // images or texts per inference
	infer    func() error
	features []float32 // of the last inference, [units,O]
}

// serve runs inferences as requested by the lines of stdin.
func (w *work) serve(stdin io.Reader, stdout io.Writer) error {
	if err := w.infer(); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "ready %d clipnh (%s)\n", w.units, w.runs)
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "run":
			n, err := strconv.Atoi(argument)
			if err != nil {
				return err
			}
			reply := []string{"ms"}
			for range n {
				start := time.Now()
				if err := w.infer(); err != nil {
					return err
				}
				reply = append(reply, fmt.Sprintf("%.4f", float64(time.Since(start))/float64(time.Millisecond)))
			}
			fmt.Fprintln(stdout, strings.Join(reply, " "))
		case "out":
			b, err := binary.Append(nil, binary.LittleEndian, w.features)
			if err != nil {
				return err
			}
			if err := os.WriteFile(argument, b, 0o666); err != nil {
				return err
			}
			fmt.Fprintln(stdout, "done")
		default:
			return fmt.Errorf("command %q, want run or out", lines.Text())
		}
	}
	return lines.Err()
}

// useThreads keeps the whole program, garbage collection included, on so
// many processors as the tower has threads.
func useThreads(argument string) (int, error) {
	threads, err := strconv.Atoi(argument)
	if err == nil && threads < 1 {
		err = fmt.Errorf("threads: %d, want at least 1", threads)
	}
	if err == nil {
		runtime.GOMAXPROCS(threads)
	}
	return threads, err
}

// openImages makes the image tower of this program, or that of a device if one is named:
// its time includes the way of images and features through the pipe to its helper.
func openImages(model, file, batchArgument, threadsArgument string, precision kernel.Precision, on string) (*work, error) {
	threads, err := useThreads(threadsArgument)
	if err != nil {
		return nil, err
	}
	batch, err := strconv.Atoi(batchArgument)
	if err != nil {
		return nil, err
	}
	ck, err := clip.OpenWith(model, clip.Details{})
	if err != nil {
		return nil, err
	}
	options := clip.ImageOptions{Batch: batch, Threads: threads, Precision: precision}
	runs, newTower := cpu.Active().String(), clip.NewImageTower
	if on != "" {
		d, err := device.Open(on, threads)
		if err != nil {
			return nil, err
		}
		of := d.Origin()
		runs, newTower = of.Provider+" of "+of.Runtime, d.Tower
	} else {
		defer ck.Close() // a device reads the weights when it first runs
	}
	tower, err := newTower(ck, options)
	if err != nil {
		return nil, err
	}
	images, err := readImages(file, batch*tower.ImageLen())
	if err != nil {
		return nil, err
	}
	features := make([]float32, batch*tower.Config().OutDim)
	infer := func() error { return tower.Run(images, clip.Output{Features: features}) }
	return &work{runs, batch, infer, features}, nil
}

// readImages reads the first n numbers of a file of float32.
func readImages(file string, n int) ([]float32, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	images := make([]float32, n)
	if err := binary.Read(bufio.NewReader(f), binary.LittleEndian, images); err != nil {
		return nil, fmt.Errorf("%s: read %d images' numbers: %w", file, n, err)
	}
	return images, nil
}

func openTexts(model, file, threadsArgument string) (*work, error) {
	threads, err := useThreads(threadsArgument)
	if err != nil {
		return nil, err
	}
	texts, err := readTexts(file)
	if err != nil {
		return nil, err
	}
	ck, err := clip.OpenWith(model, clip.Details{})
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	tower, err := clip.NewTextTower(ck, threads)
	if err != nil {
		return nil, err
	}
	features := make([]float32, len(texts)*tower.Config().OutDim)
	infer := func() error { return tower.Encode(context.Background(), features, texts, nil) }
	return &work{cpu.Active().String(), len(texts), infer, features}, nil
}

// readTexts reads token ids, a line for each text.
func readTexts(file string) ([][]int32, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var texts [][]int32
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var text []int32
		for field := range strings.FieldsSeq(lines.Text()) {
			id, err := strconv.ParseInt(field, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", file, len(texts)+1, err)
			}
			text = append(text, int32(id))
		}
		texts = append(texts, text)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return texts, nil
}
