package demo

import (
	"embed"
	"io/fs"
)

// What LayoutViT writes: a tiny vision transformer with random weights, which recognises
// nothing, to show that the steps of TextSpan run. Each of its few images is a class, whose
// embedding is the image's own feature; texts are random vectors.
const (
	ViTModel           = "vit.pt"
	ViTHeads           = 4 // of each layer
	ViTActivation      = "gelu"
	ViTImageNet        = "imagenet" // labelled val/CLASS/*.png
	ViTClasses         = "classes.npy"
	ViTTexts           = "texts.txt"
	ViTTextsEmbeddings = "texts.npy"
)

//go:embed vit
var embeddedViT embed.FS

// LayoutViT writes the tiny vision transformer and its images to dir, as Layout does the
// demo.
func LayoutViT(dir string) (Laid, error) {
	sub, err := fs.Sub(embeddedViT, "vit")
	if err != nil {
		panic("demo: the embedded folder has another name")
	}
	return layout(sub, dir)
}
