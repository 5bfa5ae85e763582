package foreign

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// HeadBytes is how many bytes of a file Mistaken needs at most.
const HeadBytes = 512

// A Mistake is the error for a file that is something other than what was expected.
// It has a hint.
type Mistake struct{ what, hint string }

func (m *Mistake) Error() string { return m.what }

// Hint says how to get the expected file.
func (m *Mistake) Hint() string { return m.hint }

// mistakes are recognised by their first bytes.
var mistakes = []struct{ prefix, what, hint string }{
	{"version https://git-lfs.github.com/", "a Git LFS pointer, not the file itself",
		`run "git lfs install" and "git lfs pull" in the folder it was cloned into`},
	{"version http://git-media.io/", "a Git media pointer, not the file itself",
		`run "git lfs install" and "git lfs pull" in the folder it was cloned into`},
	{"\x1f\x8b", "compressed with gzip", `unpack it with "gunzip" first, or with "tar xzf" if it is an archive`},
	{"BZh91AY&SY", "compressed with bzip2", `unpack it with "bunzip2" first`},
	{"\xfd7zXZ\x00", "compressed with xz", `unpack it with "unxz" first`},
	{"\x28\xb5\x2f\xfd", "compressed with Zstandard", `unpack it with "unzstd" first`},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", `unpack it with "7z x" first`},
	{"Rar!\x1a\x07", "a RAR archive", `unpack it first`},
	{"MATLAB 7.3 MAT-file", "a MATLAB 7.3 file, which is HDF5", `save it from MATLAB with -v7: load it, and then save("old.mat", "-v7")`},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file", ""},
	{"%PDF-", "a PDF document", ""},
	{"\x89PNG\r\n\x1a\n", "a PNG image", ""},
	{"\xff\xd8\xff", "a JPEG image", ""},
	{"GIF8", "a GIF image", ""},
	{"\x93NUMPY", "a NumPy array", ""},
}

// Mistaken returns a *Mistake if head, the beginning of a file, belongs to a kind of
// file that users often have by accident: the pointer that a clone without Git LFS
// leaves, the web page that a download from the wrong address returns, a file that is
// still compressed. Otherwise it returns nil. Callers use it after they failed to
// recognise a file.
func Mistaken(head []byte) error {
	for _, m := range mistakes {
		if bytes.HasPrefix(head, []byte(m.prefix)) {
			return &Mistake{m.what, m.hint}
		}
	}
	head = head[:min(len(head), HeadBytes)]
	if IsTar(head) {
		return &Mistake{"a tar archive", `unpack it with "tar xf" first`}
	}
	text := strings.TrimLeft(string(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))), " \t\r\n")
	lower := strings.ToLower(text)
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<!-- ", "<script"} {
		if strings.HasPrefix(lower, tag) {
			return &Mistake{"an HTML page, as a server sends it to a browser",
				"fetch the file itself: look for a link named raw or download (on Hugging Face, /resolve/ in the place of /blob/)"}
		}
	}
	if strings.HasPrefix(lower, "<?xml") {
		return &Mistake{"an XML document, such as a server's error message", "look into it, and fetch the file again"}
	}
	return nil
}

// IsTar reports whether head names the format of a tar archive.
func IsTar(head []byte) bool {
	const ustar = 257
	return len(head) >= ustar+5 && string(head[ustar:ustar+5]) == "ustar"
}

// Explain returns what stands better than err for a file that could not be
// read: the Mistake that it begins with, and what was wanted, or else err.
func Explain(file io.ReaderAt, want string, err error) error {
	head := make([]byte, HeadBytes)
	n, _ := file.ReadAt(head, 0)
	if mistake := Mistaken(head[:n]); mistake != nil {
		return fmt.Errorf("%w, want %s", mistake, want)
	}
	return err
}
