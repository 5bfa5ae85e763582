package archive

import (
	"archive/tar"
	"archive/zip"
	"fmt"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestManySkipped holds that of many members that are skipped some are named and the
// others counted, and that a small archive of many headers allocates no more than
// FuzzOpen allows for.
func TestManySkipped(t *testing.T) {
	const n = 50_000
	packed := slices.Repeat(tarHeader("a.jpg", tar.TypeReg, 0), n)
	packed = append(packed, make([]byte, 2*tarBlock)...)
	packed = append(packed, "more"...)
	b := zipped(t, packed)
	path := write(t, "a.tgz", b)
	var a *Archive
	var err error
	allocated := testutil.Allocated(func() { a, err = Open(t.Context(), path, isJPG) })
	if err != nil {
		t.Fatal(err)
	}
	if most := 64<<20 + bytesFactor*int64(len(b)); allocated > most {
		t.Errorf("%d bytes allocated for %d, want at most %d", allocated, len(b), most)
	}
	got, want := reasons(a), []string{": " + bytesBehind, fmt.Sprintf(": %d more skipped, too many to name", n-1-mostSkipped)}
	if len(got) != mostSkipped+2 || !slices.Equal(got[mostSkipped:], want) {
		t.Errorf("%d skipped, the last %q, want %d named and %q", len(got), got[max(0, len(got)-2):], mostSkipped, want)
	}
	if len(a.Members) != 1 || cap(a.Members) > 100 {
		t.Errorf("%d members in an array of %d, want one", len(a.Members), cap(a.Members))
	}
}

// TestTooMany holds that the members that are wanted are bounded, used or not, and others
// are not.
func TestTooMany(t *testing.T) {
	defer func(members int, names int64) { mostMembers, mostNames = members, names }(mostMembers, mostNames)
	var entries, same []entry
	for i := range 10 {
		entries = append(entries, entry{name: fmt.Sprintf("%d.jpg", i)}, entry{name: fmt.Sprintf("%d.bin", i)})
		same = append(same, entry{name: "0.jpg"})
	}
	forms := map[string][]byte{
		"a.tar": makeTar(t, entries...), "a.tgz": zipped(t, makeTar(t, entries...)), "a.zip": makeZip(t, zip.Store, entries...),
		"same.tar": makeTar(t, same...),
	}
	for form, b := range forms {
		path := write(t, form, b)
		for _, test := range []struct {
			members int
			names   int64
			want    string
		}{
			{10, 50, ""},
			{9, 50, path + ": more than 9 images and files of labels, want at most that many in an archive"},
			{10, 49, path + ": names of more than 49 bytes in all, want at most that many in an archive"},
		} {
			mostMembers, mostNames = test.members, test.names
			_, err := Open(t.Context(), path, isJPG)
			if got := fmt.Sprint(err); err == nil && test.want != "" || err != nil && got != test.want {
				t.Errorf("%d members of %d bytes: %s, want %q", test.members, test.names, got, test.want)
			}
		}
	}
}
