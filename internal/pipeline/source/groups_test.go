package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestGroupsOf says how many images have no group, for want of a row or of a text in it, and how
// many rows no image, and refuses a table that has no group for any.
func TestGroupsOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "groups.csv")
	o := dataset.TableOptions{Path: path, Image: "image", Group: "year"}
	for _, test := range []struct{ rows, groups, said, err string }{
		{"a.jpg,1991\nb.jpg,1992\nc.jpg,1991", "1991|1992|1991", "", ""},
		{"a.jpg,1991\nb.jpg,", "1991||", `note: PATH: no "year" for 2 of 3 images, which are in no group`, ""},
		{"a.jpg,1991\nb.jpg,1991", "1991|1991|", `note: PATH: no "year" for 1 of 3 images, which is in no group`, ""},
		{"a.jpg,1991\nb.jpg,1992\nc.jpg,1991\nd.jpg,1992", "1991|1992|1991", "note: PATH: 1 of 4 rows without an image", ""},
		{"a.jpg,\nb.jpg,", "", "", `PATH: column "year": empty in all rows, want the groups of images`},
		{"a.jpg,\nd.jpg,1991", "", "", `PATH: no row has the name of one of 3 images and a year, such as a.jpg`},
	} {
		if err := os.WriteFile(path, []byte("image,year\n"+test.rows+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		say, heard := pipelinetest.Heard()
		groups, err := GroupsOf(o, []string{"a.jpg", "b.jpg", "c.jpg"}, say)
		said, message := strings.TrimSpace(strings.ReplaceAll(heard.String(), path, "PATH")), ""
		if err != nil {
			message = strings.ReplaceAll(err.Error(), path, "PATH")
		}
		if message != test.err || said != test.said || err == nil && !slices.Equal(groups, strings.Split(test.groups, "|")) {
			t.Errorf("%q: groups %q, said %q, error %q; want %q, %q, %q", test.rows, groups, said, message, test.groups, test.said, test.err)
		}
	}
}
