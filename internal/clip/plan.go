package clip

import "github.com/clipnh/clipnh/internal/kernel"

// Plan lists the layers from the stem to the attention pool.
func (t *ResNetTower) Plan() []PlannedLayer {
	c, half := t.config, t.config.ImageSize/2
	plan := []PlannedLayer{{
		Name: "visual.conv1", Kernel: "3x3 stride 2", In: 3, Out: c.Width / 2, Side: half, Algorithm: stemAlgorithm,
		GFLOP: t.layers.stem.FLOPs(1) / 1e9, Bytes: t.layers.stem.WeightBytes(),
	}}
	add := func(name string, conv *kernel.Conv) {
		s := conv.Spec()
		l := PlannedLayer{
			Name: name, Kernel: "1x1", Out: s.Out, Side: s.H, Algorithm: s.Algorithm.String(),
			GFLOP: conv.FLOPs(1) / 1e9, Bytes: conv.WeightBytes(),
		}
		if s.Kernel == 3 {
			l.Kernel = "3x3"
		}
		for _, in := range s.In {
			l.In += in
		}
		plan = append(plan, l)
	}
	add("visual.conv2", t.layers.conv2)
	add("visual.conv3", t.layers.conv3)
	for _, b := range t.layers.blocks {
		add(b.name+".conv1", b.conv1)
		add(b.name+".conv2", b.conv2)
		if b.projects() {
			add(b.name+".conv3+downsample", b.conv3)
		} else {
			add(b.name+".conv3", b.conv3)
		}
	}
	// Query, keys folded around it, attention logits, scores, values, output.
	C, H, T, O := float64(c.Neurons()), float64(c.Heads()), float64(c.Tokens()), float64(c.OutDim)
	return append(plan, PlannedLayer{
		Name: "visual.attnpool", Kernel: "attention", In: c.Neurons(), Out: c.OutDim, Side: 1, Algorithm: "one query, keys folded",
		GFLOP: 2 * (3*C*C + 2*H*T*C + O*C) / 1e9,
		Bytes: t.attend.query.Bytes() + t.attend.key.Bytes() + 4*int64(len(t.attend.position)) + t.ov.FeatureBytes(),
	})
}
