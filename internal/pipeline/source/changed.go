package source

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/ui"
)

// WhatChanged says by which image a list first differs from the one that a run recorded
// checksums of: it reads the files of as many. Only the order of names is known of that
// list, so an image that went is named by the one that comes in its place. It is empty where
// the recorded part is the same in both.
func WhatChanged(ctx context.Context, items []dataset.Item, sums []uint32, threads int, progress ui.Progress) (string, error) {
	now, err := Sums(ctx, items[:min(len(items), len(sums)+1)], threads, progress)
	if err != nil {
		return "", err
	}
	if len(now) == 0 {
		return "", nil
	}
	at := 0
	for at < min(len(now), len(sums)) && now[at] == sums[at] {
		at++
	}
	switch {
	case at == len(sums):
		return "", nil
	case at == len(now):
		return fmt.Sprintf("%s that followed %s missing", areImages(len(sums)-at), items[at-1].Path), nil
	case at+1 < len(now) && now[at+1] == sums[at]:
		return fmt.Sprintf("%s was not among its images", items[at].Path), nil
	case at+1 < len(sums) && now[at] == sums[at+1]:
		return fmt.Sprintf("an image that came before %s is missing", items[at].Path), nil
	}
	return fmt.Sprintf("%s is not the file that it was, or takes the place of another", items[at].Path), nil
}

func areImages(n int) string {
	if n == 1 {
		return "an image"
	}
	return fmt.Sprintf("%d images", n)
}
