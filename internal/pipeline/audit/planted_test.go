package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// A planting is a synthetic collection whose classes lie along the first two axes of the
// features. Pairs 0 and 1 tell the classes; a cue pair, of one head, tells the group and
// adds to one class.
type planting struct {
	heads, neurons, outDim int
	images                 int // of each group of each label
	cue                    float64
	cuePair                int
	seed                   uint64
}

var small = planting{heads: 2, neurons: 32, outDim: 8, images: 40, cue: 4, cuePair: 32 + 11, seed: 1}

// A planted collection is one on the disk.
type planted struct {
	scores, labels, classes string
	rows                    []float32 // [B,H,C]
	ov                      *decomp.OV
	names, label, group     []string
}

var classNames, groupNames = []string{"ship", "tram"}, []string{"land", "water"}

func plant(t testing.TB, p planting) planted {
	t.Helper()
	random := rand.New(rand.NewPCG(p.seed, 11))
	H, C, O, D := p.heads, p.neurons, p.outDim, p.neurons/p.heads
	value, out := make([]float32, H*D*C), make([]float32, O*H*D)
	// Column n of a head's values is small noise, but for the pairs that mean something;
	// the head's outputs are the axes of the features.
	for i := range value {
		value[i] = float32(0.02 * random.NormFloat64())
	}
	for h := range H {
		for d := range min(D, O) {
			out[(d*H+h)*D+d] = 1
		}
	}
	set := func(pair int, along ...float32) {
		h, n := pair/C, pair%C
		for d := range D {
			value[(h*D+d)*C+n] = 0
		}
		for d, x := range along {
			value[(h*D+d)*C+n] = x
		}
	}
	set(0, 1, -1)
	set(p.cuePair, 1, -1)
	set(1, 0, 0, 6) // what all images share
	c := planted{ov: decomp.OVFromSlices(H, C, O, value, out, make([]float32, H*O))}
	for l := range classNames {
		for g := range groupNames {
			for i := range p.images {
				row := make([]float32, H*C)
				for u := range row {
					row[u] = float32(random.NormFloat64())
				}
				row[0] = float32([]float64{2, -2}[l] + 0.8*random.NormFloat64())
				row[1] = 1
				if p.cue != 0 {
					row[p.cuePair] = float32(p.cue*[]float64{-0.5, 0.5}[g] + 0.3*random.NormFloat64())
				}
				c.rows = append(c.rows, row...)
				c.names = append(c.names, fmt.Sprintf("%s/%s/%03d.png", classNames[l], groupNames[g], i))
				c.label, c.group = append(c.label, classNames[l]), append(c.group, groupNames[g])
			}
		}
	}
	c.scores = pipelinetest.ScoresOf(t, c.ov, c.names, c.rows, origin.Origin{Model: "planted", Weights: strings.Repeat("a", 64)})
	dir := t.TempDir()
	c.classes, c.labels = filepath.Join(dir, "classes.npy"), filepath.Join(dir, "labels.csv")
	texts := make([]float32, 2*O)
	texts[0], texts[O+1] = 1, 1
	writeRows(t, c.classes, texts, O)
	rows := [][]string{{"image", "label", "group"}}
	for i, name := range c.names {
		rows = append(rows, []string{name, c.label[i], c.group[i]})
	}
	writeTable(t, c.labels, rows)
	return c
}

func writeRows(t testing.TB, path string, rows []float32, width int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npy.WriteFloat32(f, []int{len(rows) / width, width}, rows); err != nil {
		t.Fatal(err)
	}
}

func writeTable(t testing.TB, path string, rows [][]string) {
	t.Helper()
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// options are those of an audit of c.
func (c planted) options(t testing.TB) Options {
	return Options{
		Options: source.Options{ScoresPath: c.scores}, LabelsPath: c.labels, Threads: 2,
		Texts: Texts{Classes: classNames, ClassesPath: c.classes},
		Level: 0.05, Permutations: 199, TopImages: 3, Sheets: 2, Dir: filepath.Join(t.TempDir(), "audit"),
		CommandLines: func(r Removed) []string { return []string{"remove " + r.List} },
	}
}

func silent() ui.Reporter { return ui.NewPrinter(io.Discard, io.Discard, time.Now) }
