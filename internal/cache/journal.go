package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// castagnoli is the polynomial of CRC-32C, which processors compute faster
// than disks deliver.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A journal is a text file. Its first line is a journalHead, written with the
// file; each further line is the journalChunk of a finished chunk, in order.
// A line is the CRC-32C of its JSON in eight hexadecimal digits, a space, the
// JSON and a newline. Everything from the first other line on is ignored: it was
// being written when the writer died.

const journalFormat = "clipnh journal"

// journalHead describes what is being collected.
type journalHead struct {
	Format  string   `json:"format"`
	Version int      `json:"version"`
	Program string   `json:"program"` // that began it; empty where an older one does not say
	Plan    Manifest `json:"plan"`
	Listed  string   `json:"listed_crc32c,omitempty"` // of Plan.Listed, eight digits each
}

type journalChunk struct {
	Chunk
	Skipped []Skipped `json:"skipped,omitempty"`
	At      int64     `json:"at,omitempty"`      // when it was finished, in seconds since 1970; 0 of builds that did not say
	HeldBy  string    `json:"held_by,omitempty"` // see ChunkWriter.HeldBy; empty of builds that did not say
}

// journalLine encodes a head or chunk.
func journalLine(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	line := fmt.Appendf(nil, "%s ", crcText(crc32.Checksum(text, castagnoli)))
	return append(append(line, text...), '\n'), nil
}

func crcText(sum uint32) string { return fmt.Sprintf("%08x", sum) }

// journal is a parsed journal.
type journal struct {
	program string
	plan    Manifest
	listed  []uint32 // see Plan.Listed; empty of builds that did not keep it
	chunks  []journalChunk
	ends    []int64 // where each chunk's line ends
	start   int64   // where the head's line ends
}

// parseJournal reads the complete lines of a journal. Its memory is bounded as that
// of decodeManifest.
func parseJournal(data []byte) (*journal, error) {
	text, rest, ok := cutLine(data)
	if !ok {
		// The head was synced before the journal had its name.
		return nil, fmt.Errorf("%w: bad first line", ErrDamaged)
	}
	head, err := decodeHead(text)
	if err != nil {
		return nil, err
	}
	j := &journal{program: head.Program, plan: head.Plan, start: int64(len(data) - len(rest))}
	if j.listed, err = ParseSums(head.Listed); err != nil {
		return nil, err
	}
	if _, err := j.plan.rowBytes(); err != nil {
		return nil, err
	}
	if j.plan.Inputs < 0 || j.plan.ChunkInputs < 1 {
		return nil, errors.New("plan without chunks")
	}
	if err := j.plan.checkCuts(); err != nil {
		return nil, err
	}
	cut := j.plan.Chunking()
	for chunks := cut.Chunks(); len(j.chunks) < chunks; {
		var c journalChunk
		if text, rest, ok = cutLine(rest); !ok || strict(text, &c) != nil {
			break
		}
		if inputs := cut.Len(len(j.chunks)); c.Rows < 0 || len(c.Skipped) > inputs || c.Rows != inputs-len(c.Skipped) || !isHex(c.CRC, 4) || !c.inputsFit(cut, len(j.chunks)) || checkFamilies(c.Kernel) != nil {
			break
		}
		j.chunks = append(j.chunks, c)
		j.ends = append(j.ends, int64(len(data)-len(rest)))
	}
	return j, nil
}

// cutLine returns the JSON of the first line of data and the rest. ok is false if the
// line is incomplete or damaged.
func cutLine(data []byte) (text, rest []byte, ok bool) {
	line, rest, found := bytes.Cut(data, []byte("\n"))
	if !found || len(line) < 9 || line[8] != ' ' {
		return nil, data, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(line[9:], castagnoli) {
		return nil, data, false
	}
	return line[9:], rest, true
}
