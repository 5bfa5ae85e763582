package archive

import (
	"archive/tar"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// tarHeader is a header whose fields need not agree, with GNU's magic.
func tarHeader(name string, kind byte, size int) []byte {
	h := make([]byte, tarBlock)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	h[156] = kind
	copy(h[257:], "ustar  \x00")
	return checksummed(h)
}

// checksummed writes a header's checksum.
func checksummed(h []byte) []byte {
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// block fills up bytes to whole blocks.
func block(text string) []byte {
	return append([]byte(text), make([]byte, (tarBlock-len(text)%tarBlock)%tarBlock)...)
}

// sparsePAX is a sparse file of 100,000 bytes, of which 4 are in the archive.
func sparsePAX(name string) []byte {
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, "GNU.sparse.realsize=100000"} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r)
	}
	posix := func(h []byte) []byte {
		copy(h[257:], "ustar\x0000")
		return checksummed(h)
	}
	return slices.Concat(posix(tarHeader("PaxHeaders/x", tar.TypeXHeader, len(records))), block(records),
		posix(tarHeader("GNUSparseFile.0/x", tar.TypeReg, tarBlock+4)), block("1\n99996\n4\n"), block("data"))
}

// sparseGNU is the same in the older form.
func sparseGNU(name string) []byte {
	h := tarHeader(name, tar.TypeGNUSparse, 4)
	copy(h[386:], fmt.Sprintf("%011o\x00%011o\x00", 99996, 4))
	copy(h[483:], fmt.Sprintf("%011o\x00", 100000))
	return append(checksummed(h), block("data")...)
}

// TestSizesWithoutData holds that headers whose size is not that of data behind them do
// not have a whole archive taken for one that is cut short.
func TestSizesWithoutData(t *testing.T) {
	end := make([]byte, 2*tarBlock)
	file := slices.Concat(tarHeader("ok.jpg", tar.TypeReg, 2), block("ok"))
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"pax":       {sparsePAX("s.jpg"), "s.jpg: a sparse file, which is not read"},
		"gnu":       {sparseGNU("s.jpg"), "s.jpg: a sparse file, which is not read"},
		"hard link": {tarHeader("l.jpg", tar.TypeLink, 100000), "l.jpg: a link, want a file"},
		"link":      {tarHeader("l.jpg", tar.TypeSymlink, 100000), "l.jpg: a link, want a file"},
		"folder":    {tarHeader("d/", tar.TypeDir, 100000), ""},
		"device":    {tarHeader("d.jpg", tar.TypeChar, 100000), "d.jpg: not a regular file"},
	} {
		last := slices.Concat(file, test.data, end)
		for form, b := range map[string][]byte{
			"a.tar": last, "a.tgz": zipped(t, last), "first.tar": slices.Concat(test.data, file, end),
		} {
			t.Run(name+", "+form, func(t *testing.T) {
				a, err := Open(t.Context(), write(t, form, b), isJPG)
				if err != nil {
					t.Fatal(err)
				}
				if got := reasons(a); strings.Join(got, "; ") != test.want {
					t.Errorf("skipped %q, want %q", got, test.want)
				}
				if len(a.Members) != 1 {
					t.Fatalf("members %+v, want ok.jpg", a.Members)
				}
				if got, err := a.ReadAll(&a.Members[0], 10); err != nil || string(got) != "ok" {
					t.Errorf("ok.jpg: %q, %v", got, err)
				}
			})
		}
	}
}

// reasons writes what was skipped as "name: reason".
func reasons(a *Archive) []string {
	var lines []string
	for _, s := range a.Skipped {
		lines = append(lines, s.Name+": "+s.Reason)
	}
	return lines
}
