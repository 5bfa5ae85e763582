package cache

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMemory reads manifests and a journal of hundreds of kilobytes, of the values that
// take most memory per byte. With a fuzzer's small files the constant part of the bound
// dominates.
func TestMemory(t *testing.T) {
	const n = 20_000
	manifest := func(rest string) []byte {
		return []byte(`{"format":"clipnh","version":1,"kind":"scores",` + rest + `}`)
	}
	list := func(one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	for name, data := range map[string][]byte{
		"skipped":    manifest(`"skipped":` + list("{}")),
		"payloads":   manifest(`"payloads":` + list("{}")),
		"chunks":     manifest(`"shape":[1],"dtype":"float32","payloads":[{"chunks":` + list("{}") + `}]`),
		"axes":       manifest(`"axes":` + list(`""`)),
		"shape":      manifest(`"shape":` + list(`1`)),
		"parameters": manifest(`"origin":{"parameters":{"a":` + list("[]") + `}}`),
		"deep":       manifest(`"origin":{"parameters":{"a":` + strings.Repeat("[", n)),
		"objects":    manifest(`"origin":{"parameters":{"a":` + list("{}") + `}}`),
		"unknown":    manifest(`"x":` + list("{}")),
	} {
		t.Run(name, func(t *testing.T) {
			decode := func() error { _, err := decodeManifest(data); return err }
			testutil.Parsed(t, testutil.Multiple(len(data), manifestFactor), decode)
			t.Logf("%.1f bytes allocated for each of %d", float64(testutil.Allocated(func() { decode() }))/float64(len(data)), len(data))
		})
	}

	plan, err := testPlan("scores.npy").manifest(folderLayout("x", "scores.npy"))
	if err != nil {
		t.Fatal(err)
	}
	plan.Inputs, plan.ChunkInputs = n, 1
	head, err := journalLine(journalHead{journalFormat, Version, "clipnh test", plan, "00000001"})
	if err != nil {
		t.Fatal(err)
	}
	one, err := journalLine(journalChunk{Chunk: Chunk{Rows: 1, CRC: "00000000"}})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(string(head) + strings.Repeat(string(one), n))
	var j *journal
	testutil.Parsed(t, testutil.Multiple(len(data), journalFactor), func() (err error) {
		j, err = parseJournal(data)
		return err
	})
	if j == nil || len(j.chunks) != n {
		t.Errorf("%v, want a journal of %d chunks", j, n)
	}
}
