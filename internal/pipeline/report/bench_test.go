package report

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// BenchmarkReport makes a report of synthetic scores, with words, components, classes and
// labels, and says how large it is:
//
//	CLIPNH_BENCH_REPORT=48,3072,768,1000 go test -run '^$' -bench Report ./internal/pipeline/report
//
// for heads, neurons, O and images. CLIPNH_BENCH_DIR keeps the scores, 2 bytes each, for the
// next time. It tells seconds of the clock, and of processors, of each part; a machine that
// does other things shows in the first.
func BenchmarkReport(b *testing.B) {
	var heads, neurons, out, images int
	if _, err := fmt.Sscanf(os.Getenv("CLIPNH_BENCH_REPORT"), "%d,%d,%d,%d", &heads, &neurons, &out, &images); err != nil {
		b.Skip("CLIPNH_BENCH_REPORT names no size")
	}
	o := synthetic(b, heads, neurons, out, images)
	o.Threads = runtime.GOMAXPROCS(0)
	for b.Loop() {
		o.Dir = filepath.Join(b.TempDir(), "report")
		in, err := o.open(context.Background(), pipelinetest.Silent())
		if err != nil {
			b.Fatal(err)
		}
		r := rand.New(rand.NewPCG(3, 4))
		in.labelNames, in.labels = in.classNames, make([]int, images)
		for i := range in.labels {
			in.labels[i] = r.IntN(len(in.labelNames))
		}
		m := &builder{inputs: in}
		if m.folder, err = o.openFolder(in.key(), in.files); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(m.folder.release)
		for _, part := range m.steps() {
			start, used := time.Now(), processTime()
			if err := part.do(context.Background()); err != nil {
				b.Fatal(err)
			}
			fmt.Printf("%-12s %7.1f s %7.1f s of processors\n", part.name, time.Since(start).Seconds(), (processTime() - used).Seconds())
			if part.name == os.Getenv("CLIPNH_BENCH_LAST") {
				break
			}
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		b.ReportMetric(float64(memory.Sys)/1e6, "MB-memory")
		b.ReportMetric(float64(m.folder.bytes)/1e6, "MB")
		b.ReportMetric(float64(m.folder.bytes)/float64(heads*neurons), "B/pair")
		for _, kind := range []string{"n", "i", "t", "h"} {
			b.ReportMetric(sizeOf(b, filepath.Join(o.Dir, "data", kind))/1e6, "MB-"+kind)
		}
		in.close()
	}
}

func sizeOf(t testing.TB, dir string) float64 {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += float64(info.Size())
	}
	return total
}
