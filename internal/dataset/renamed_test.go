package dataset

import (
	"slices"
	"strings"
	"testing"
)

func TestNamedAs(t *testing.T) {
	for _, test := range []struct{ what, own, names, want string }{
		{"a folder, collected from an archive", "a/1.jpg a/2.jpg b/1.jpg", "p.tar!a/1.jpg p.tar!b/1.jpg", "p.tar!a/1.jpg p.tar!a/2.jpg p.tar!b/1.jpg"},
		{"an archive, collected from a folder", "p.tar!a/1.jpg p.tar!a/2.jpg", "a/1.jpg", "a/1.jpg a/2.jpg"},
		{"another archive", "q.zip!1.jpg q.zip!2.jpg", "p.tar!1.jpg p.tar!2.jpg", "p.tar!1.jpg p.tar!2.jpg"},
		{"shards", "1.jpg 2.jpg 3.jpg", "0.tar!1.jpg 1.tar!2.jpg", "0.tar!1.jpg 1.tar!2.jpg 3.jpg"},
		{"shards with one name twice", "1.jpg 2.jpg", "0.tar!1.jpg 1.tar!1.jpg 0.tar!2.jpg", "1.jpg 0.tar!2.jpg"},
		{"two shards that would share a name", "0.tar!1.jpg 1.tar!1.jpg", "1.jpg", "0.tar!1.jpg 1.tar!1.jpg"},
		{"an archive of the folder itself", "p.tar!p/a/1.jpg p.tar!p/2.jpg p.tar!p/3.jpg", "a/1.jpg 2.jpg", "a/1.jpg 2.jpg 3.jpg"},
		{"a folder, collected from an archive of it", "a/1.jpg 2.jpg 3.jpg", "p.tar!p/a/1.jpg p.tar!p/2.jpg", "p.tar!p/a/1.jpg p.tar!p/2.jpg p.tar!p/3.jpg"},
		{"archives of the folder and of what is in it", "p.tar!p/1.jpg", "q.tar!1.jpg q.tar!2.jpg", "q.tar!1.jpg"},
		{"shards that have the folder", "1.jpg 2.jpg", "0.tar!p/1.jpg 1.tar!p/2.jpg", "0.tar!p/1.jpg 1.tar!p/2.jpg"},
		{"an archive of a folder whose own name counts", "p.tar!p/1.jpg p.tar!p/p/1.jpg", "p/1.jpg p/p/1.jpg", "p/1.jpg p/p/1.jpg"},
		{"an archive of two folders", "p.tar!p/1.jpg p.tar!q/2.jpg", "1.jpg 2.jpg", "p/1.jpg q/2.jpg"},
		{"an archive of a folder of other images", "p.tar!p/1.jpg", "2.jpg", "p/1.jpg"},
		{"a folder below a folder", "p/1.jpg", "1.jpg", "p/1.jpg"},
		{"its own names", "1.jpg x.jpg", "1.jpg", "1.jpg x.jpg"},
		{"other images", "1.jpg", "2.jpg", "1.jpg"},
		{"another folder", "b/1.jpg", "a/1.jpg", "b/1.jpg"},
	} {
		d := &Dataset{}
		for _, name := range strings.Fields(test.own) {
			d.Items = append(d.Items, Item{Name: name, Path: name})
		}
		var got []string
		for i, item := range d.NamedAs(strings.Fields(test.names)).Items {
			got = append(got, item.Name)
			if item.Path != d.Items[i].Path {
				t.Errorf("%s: %s is %s", test.what, item.Name, item.Path)
			}
		}
		if want := strings.Fields(test.want); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", test.what, got, want)
		}
		if own := strings.Fields(test.own); d.Items[0].Name != own[0] {
			t.Errorf("%s: the data set itself is renamed", test.what)
		}
	}
}
