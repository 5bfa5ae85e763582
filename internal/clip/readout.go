package clip

// BatchNormEpsilon and LayerNormEpsilon are what norms add to a variance.
const (
	BatchNormEpsilon = batchNormEpsilon
	LayerNormEpsilon = layerNormEpsilon
)

// A WeightReader reads the weights of a checkpoint as float32, by OpenAI's names, into
// memory that it uses again.
type WeightReader struct {
	ck *Checkpoint
	r  reader
}

// WeightReader returns a reader of the checkpoint's weights.
func (ck *Checkpoint) WeightReader() *WeightReader { return &WeightReader{ck: ck} }

// Read returns a tensor, row-major, valid until the next call. Errors name the file and
// the tensor; NaN and infinite weights are errors.
func (w *WeightReader) Read(name string) ([]float32, error) { return w.r.read(w.ck, name) }

// Folded returns a convolution with the batch norm after it folded in, as the tower has
// it: weights [out][in][k][k], valid until the next call, and bias [out].
func (w *WeightReader) Folded(conv, norm string) (weights, bias []float32, err error) {
	return w.r.folded(w.ck, conv, norm)
}

// FoldedBias returns the bias alone that Folded returns.
func (w *WeightReader) FoldedBias(norm string) ([]float32, error) {
	_, bias, err := w.ck.foldedNorm(norm)
	return bias, err
}

// Bottleneck describes a residual block of a ResNet: 1x1, 3x3, 1x1, with an average
// pool before the last where it strides, and a projected shortcut where it projects.
type Bottleneck struct {
	Name     string // of its tensors, such as visual.layer4.1
	In       int    // channels that enter
	Planes   int    // channels of the 3x3 convolution
	Out      int
	Strides  bool
	Projects bool
}

// Bottlenecks lists the blocks of all stages in forward order.
func (r ResNet) Bottlenecks() []Bottleneck {
	var list []Bottleneck
	for _, b := range r.blocks() {
		list = append(list, Bottleneck{b.name, b.in, b.planes, b.out(), b.stride > 1, b.projects()})
	}
	return list
}

// Layer is the prefix of the tensors of layer i.
func (v ViT) Layer(i int) string { return v.layer(i) }

// CheckNeuronLayer returns an error unless layer is before the last.
func (v ViT) CheckNeuronLayer(layer int) error { return v.checkNeuronLayer(layer) }
