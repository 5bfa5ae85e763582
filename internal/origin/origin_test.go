package origin

import "testing"

// TestSubject follows what artefacts are about from collections and embeddings through
// what was computed from them.
func TestSubject(t *testing.T) {
	collection := Origin{Images: &Images{Names: "photos"}}
	means := collection.Derived("contributions", "1")
	mask := means.Derived("norms", "2")
	words := Origin{Texts: "words"}
	codes := func(texts string) Origin {
		o := Origin{Texts: texts}.Own()
		o.AddParent("components", "3", means.Subject())
		o.AddParent("embeddings", "4", Origin{Texts: texts}.Subject())
		return o
	}
	for name, test := range map[string]struct{ got, want string }{
		"a collection":               {collection.Subject(), "photos"},
		"means":                      {means.Subject(), "photos"},
		"a mask":                     {mask.Subject(), "photos"},
		"embeddings":                 {words.Subject(), "words"},
		"an older build's parent":    {Origin{Parents: map[string]string{"contributions": "1"}}.Subject(), ""},
		"of an older build's":        {Origin{Images: &Images{}}.Derived("contributions", "1").Subject(), ""},
		"codes of the same":          {codes("words").Subject(), codes("words").Subject()},
		"nothing but a file's bytes": {Origin{Files: map[string]string{"components": "5"}}.Subject(), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: about %q, want %q", name, test.got, test.want)
		}
	}
	if one, other := codes("words").Subject(), codes("classes").Subject(); one == "" || one == other || one == "photos" {
		t.Errorf("codes of other words: about %q and %q", one, other)
	}
}
