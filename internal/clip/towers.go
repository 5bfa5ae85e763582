package clip

// NewImageTower packs the image tower of a checkpoint. Errors name the file and the
// tensor.
func NewImageTower(ck *Checkpoint, o ImageOptions) (ImageTower, error) {
	if ck.Config.ViT != (ViT{}) {
		return NewViTTower(ck, o)
	}
	return NewResNetTower(ck, o)
}
