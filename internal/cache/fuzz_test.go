package cache

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/testutil"
)

// Bytes that reading a manifest or journal may allocate in total for each byte of it.
// Each line of a journal has its own decoder, whose buffer is freed after the line.
const (
	manifestFactor = 160
	journalFactor  = 128
)

func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("0", 64)
	for _, m := range []Manifest{
		{Kind: "means", Shape: []int{1}, Payloads: []Payload{{Bytes: 4, SHA256: sum}}},
		{Kind: "scores", Shape: []int{3, 2}, DType: "float16", Inputs: 4, ChunkInputs: 2, Skipped: []Skipped{{"a", "b"}}, Payloads: []Payload{
			{File: "scores.npy", Bytes: 140, Header: 128, Chunks: []Chunk{{2, "00000000", "", ""}, {1, "ffffffff", "avx2", "0123456789abcdef"}}}, {File: "images.txt", SHA256: sum},
		}},
		{Kind: "shard of scores", Shape: []int{3, 2}, DType: "float16", Inputs: 3, ChunkInputs: 2, Cuts: []int{1}, Origin: origin.Origin{Shard: &origin.Shard{Number: 2, Of: 2, Inputs: 5, Cuts: []int{2, 3}}}, Payloads: []Payload{
			{File: "scores.npy", Bytes: 140, Header: 128, Chunks: []Chunk{{1, "00000000", "", "01234567"}, {2, "ffffffff", "avx2", "0123456789abcdef"}}}, {File: "images.txt", SHA256: sum},
		}},
	} {
		m.Format, m.Version = Format, Version
		sealed, err := m.sealed()
		if err != nil {
			f.Fatal(err)
		}
		data, err := sealed.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		// Version 1 has no checksum, so the fuzzer gets past it.
		old := legacyManifest{
			Format: Format, Version: 1, Kind: m.Kind, Shape: m.Shape, DType: m.DType, Inputs: m.Inputs, ChunkInputs: m.ChunkInputs,
			Skipped: m.Skipped, Payloads: m.Payloads, Origin: origin.Legacy{Model: "RN50", Parameters: map[string]any{"top_k_pca": 50, "exif": true}},
		}
		if data, err = encode(old); err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *Manifest
		if !testutil.Parsed(t, testutil.Multiple(len(data), manifestFactor), func() (err error) {
			m, err = decodeManifest(data)
			return err
		}) {
			return
		}
		m.Version = Version
		sealed, err := m.sealed()
		if err != nil {
			t.Fatal(err)
		}
		written, err := sealed.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeManifest(written)
		if err != nil {
			t.Fatalf("%v in what was written:\n%s", err, written)
		}
		twice, err := again.encode()
		if err != nil || !bytes.Equal(written, twice) {
			t.Fatalf("write, read, write gives other bytes (%v)", err)
		}
		cut := again.Chunking()
		for i, last := 0, 0; i < min(cut.Chunks(), 1000); i++ {
			if end := cut.First(i + 1); end <= last || end > max(again.Inputs, 0) {
				t.Fatalf("chunk %d of %d ends at %d, behind %d, of %d", i, cut.Chunks(), end, last, again.Inputs)
			} else {
				last = end
			}
		}
		if d, err := differences(sealed, again); err != nil || d != nil {
			t.Fatalf("a manifest differs from itself: %v %v", d, err)
		}
	})
}

func FuzzJournal(f *testing.F) {
	plan, err := testPlan("scores.npy").manifest(folderLayout("x", "scores.npy"))
	if err != nil {
		f.Fatal(err)
	}
	var seed []byte
	for _, v := range []any{
		journalHead{journalFormat, Version, "clipnh test", plan, "00000001"},
		journalChunk{Chunk: Chunk{Rows: 3, CRC: "00000000"}},
		journalChunk{Chunk: Chunk{Rows: 2, CRC: "12345678"}, Skipped: []Skipped{{"a.png", "empty"}}, At: 1700000000},
	} {
		line, err := journalLine(v)
		if err != nil {
			f.Fatal(err)
		}
		seed = append(seed, line...)
		f.Add(seed)
	}
	plan.Cuts, plan.Origin.Shard = []int{1, 4}, &origin.Shard{Number: 1, Of: 2, Inputs: plan.Inputs + 2, Cuts: []int{1, 4, plan.Inputs}}
	head, err := journalLine(journalHead{journalFormat, Version, "clipnh test", plan, "00000001"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	f.Fuzz(func(t *testing.T, data []byte) {
		// Only lines with valid checksums get far into the parser.
		var summed []byte
		for line := range bytes.Lines(data) {
			if _, _, ok := cutLine(line); !ok && json.Valid(bytes.TrimSpace(line)) {
				line, _ = journalLine(json.RawMessage(bytes.TrimSpace(line)))
			}
			summed = append(summed, line...)
		}
		for _, data := range [][]byte{data, summed} {
			var j *journal
			if !testutil.Parsed(t, testutil.Multiple(len(data), journalFactor), func() (err error) {
				j, err = parseJournal(data)
				return err
			}) {
				continue
			}
			if len(j.chunks) > j.plan.Chunking().Chunks() || len(j.ends) != len(j.chunks) {
				t.Fatalf("%d chunks of %d", len(j.chunks), j.plan.Chunking().Chunks())
			}
			at := j.start
			for _, end := range j.ends {
				if end <= at || end > int64(len(data)) {
					t.Fatalf("lines end at %v in %d bytes", j.ends, len(data))
				}
				at = end
			}
		}
	})
}
