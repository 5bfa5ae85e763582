package clip

// anatomy is how the image tower of a checkpoint is built and taken apart. There are two, of
// an attention pool and of a residual. What differs between them is here and in imageSizes,
// and nowhere else: stages ask a Checkpoint, its Pairs or its towers.
type anatomy interface {
	tower(o ImageOptions) (ImageTower, error)
	windows(o WindowOptions) (Windows, error)
	// pairs are those of Checkpoint.Pairs.
	pairs(neuronLayer *int) (pairKind, error)
}

// anatomy returns that of the image tower.
func (ck *Checkpoint) anatomy() anatomy {
	if ck.Config.Has(Residual) {
		return layered{ck, ck.Config.ViT}
	}
	return pooled{ck, ck.Config.ResNet}
}

// pooled is a ResNet with an attention pool.
type pooled struct {
	ck    *Checkpoint
	sizes ResNet
}

// layered is a vision transformer.
type layered struct {
	ck    *Checkpoint
	sizes ViT
}

// NewImageTower packs the image tower of a checkpoint. Errors name the file and the
// tensor.
func NewImageTower(ck *Checkpoint, o ImageOptions) (ImageTower, error) {
	return ck.anatomy().tower(o)
}

func (p pooled) tower(o ImageOptions) (ImageTower, error)  { return NewResNetTower(p.ck, o) }
func (l layered) tower(o ImageOptions) (ImageTower, error) { return NewViTTower(l.ck, o) }

// Windows packs the tower for what is looked at. An error says what the image tower does
// not have.
func (ck *Checkpoint) Windows(o WindowOptions) (Windows, error) { return ck.anatomy().windows(o) }

func (p pooled) windows(o WindowOptions) (Windows, error)  { return newPoolWindows(p.ck, o) }
func (l layered) windows(o WindowOptions) (Windows, error) { return newPatchWindows(l.ck, o) }
