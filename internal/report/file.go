package report

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// name matches the names of data files.
var name = regexp.MustCompile(`^[a-z]+(/\d+)?$`)

// FileOf is where a data file is below the report's folder, with slashes.
func FileOf(name string) string { return "data/" + name + ".js" }

// NeuronName, HeadName, ImageName and TextName are the names of data files: of a neuron, a
// head, and of the shards that an image or a word is in.
func NeuronName(neuron int) string { return fmt.Sprintf("n/%d", neuron) }

// HeadName names the file of a head.
func HeadName(head int) string { return fmt.Sprintf("h/%d", head) }

// ImageName names the file that an image is in.
func ImageName(image int) string { return fmt.Sprintf("i/%d", image/ShardImages) }

// TextName names the file that a word is in.
func TextName(word int) string { return fmt.Sprintf("t/%d", word/ShardTexts) }

// How a data file begins and ends. Those of version 1 end in oldEnding and have base64.
const opening, between, ending, oldEnding = `clipnhData("`, `","`, "\",2);\n", "\");\n"

// IsData reports whether a file begins as data files do.
func IsData(path string) (bool, error) {
	f, err := foreign.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(opening))
	n, err := io.ReadFull(f, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return string(head[:n]) == opening, err
}

// Write writes v, one of the types here or a pointer to one, as the data file of a name.
func Write(w io.Writer, file string, v any) error {
	if !name.MatchString(file) {
		return fmt.Errorf("data file %q: want a name such as index or n/624", file)
	}
	if _, err := io.WriteString(w, opening+file+between); err != nil {
		return err
	}
	text := &sevenBits{w: bufio.NewWriter(w)}
	deflated, err := flate.NewWriter(text, flate.BestCompression)
	if err != nil {
		return err
	}
	v, binary := takeColumns(v)
	e := json.NewEncoder(deflated)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // one line
		return err
	}
	if err := deflated.Flush(); err != nil { // text and numbers have codes of their own
		return err
	}
	if _, err := deflated.Write(binary); err != nil {
		return err
	}
	if err := deflated.Close(); err != nil {
		return err
	}
	if err := text.Close(); err != nil {
		return err
	}
	_, err = io.WriteString(w, ending)
	return err
}

// mostBytes bounds what a data file unpacks to: an index of RN50x64 takes a tenth.
const mostBytes = 1 << 28

// Read reads the data file of a name into v, a pointer.
func Read(r io.Reader, file string, v any) error {
	data, err := io.ReadAll(io.LimitReader(r, mostBytes))
	if err != nil {
		return err
	}
	text, ok := strings.CutPrefix(string(data), opening+file+between)
	var packed []byte
	if now, is := strings.CutSuffix(text, ending); ok && is {
		packed, err = fromSevenBits(now)
	} else if old, is := strings.CutSuffix(text, oldEnding); ok && is {
		packed, err = base64.StdEncoding.DecodeString(old)
	} else {
		return fmt.Errorf("data file: want %s%s%s...%s", opening, file, between, strings.TrimSpace(ending))
	}
	if err != nil {
		return fmt.Errorf("data file: %w", err)
	}
	inflated := flate.NewReader(bytes.NewReader(packed))
	plain, err := io.ReadAll(io.LimitReader(inflated, mostBytes+1))
	if err != nil {
		return fmt.Errorf("data file: %w", err)
	}
	if len(plain) > mostBytes {
		return fmt.Errorf("data file: unpacks to more than %d bytes", mostBytes)
	}
	line, binary, _ := bytes.Cut(plain, []byte("\n"))
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("data file: %w", foreign.Short(err))
	}
	if err := giveColumns(v, binary); err != nil {
		return fmt.Errorf("data file: %w", err)
	}
	return nil
}
