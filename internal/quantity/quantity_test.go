package quantity

import "testing"

func TestOf(t *testing.T) {
	for _, test := range []struct {
		n    int
		one  string
		want string
	}{
		{0, "image", "0 images"}, {1, "image", "1 image"}, {2, "image", "2 images"},
		{1, "class", "1 class"}, {3, "class", "3 classes"}, {2, "axis", "2 axes"}, {2, "batch", "2 batches"}, {2, "index", "2 indexes"},
		{2, "query", "2 queries"}, {2, "day", "2 days"}, {2, "pair of heads", "2 pairs of heads"}, {1, "pair of heads", "1 pair of heads"}, {4, "text layer", "4 text layers"},
	} {
		if got := Of(test.n, test.one); got != test.want {
			t.Errorf("%d, %q: %q, want %q", test.n, test.one, got, test.want)
		}
	}
	if Is(1) != "is" || Is(0) != "are" || Has(1) != "has" || Has(2) != "have" {
		t.Error("verbs do not go with their numbers")
	}
	if Is(0, 1) != "is" || Is(1, 3) != "is" || Is(0, 3) != "are" || Has(2, 3) != "have" || Has(0, 1) != "has" || Does(1) != "does" || Does(0, 2) != "do" || Ending(1) != "s" || Ending(2) != "" || Ending(0, 1) != "s" {
		t.Error("verbs do not go with their numbers of all")
	}
}
