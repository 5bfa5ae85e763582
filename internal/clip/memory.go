package clip

import "github.com/clipnh/clipnh/internal/kernel"

// slot is memory that values use in turn.
type slot struct {
	floats int
	taken  bool
}

// memoryPlan finds which values may share memory.
type memoryPlan struct {
	last   map[*value]int   // index of the last reader
	at     map[*value]*slot // of outputs that are not placed
	shared []*slot
}

// allocate gives memory to the outputs of all operations. Going through them in the
// tape's order, it takes for an output the memory of the input that the operation may
// overwrite, if no later operation reads that, or else free memory; and it frees the
// memory of a value after its last reader. Values that are kept have memory of their
// own.
func (n *network) allocate() {
	p := memoryPlan{last: make(map[*value]int), at: make(map[*value]*slot)}
	for i, v := range n.order {
		for _, in := range v.in {
			p.last[in] = i
		}
	}
	for _, v := range n.order {
		if _, read := p.last[v]; !read {
			v.kept = true
		}
	}
	for _, v := range n.order {
		p.assign(v)
	}
	memory := make(map[*slot][]float32)
	for _, v := range n.order {
		if s, ok := p.at[v]; ok {
			if memory[s] == nil {
				memory[s] = kernel.Alloc(s.floats)
				n.floats += s.floats
			}
			v.activation = newActivation(v.form, v.node.Shape(), memory[s])
		}
	}
}

// assign chooses the slot of v's output, and frees those of the inputs that v is the
// last to read.
func (p *memoryPlan) assign(v *value) {
	var s *slot
	floats := activationLen(v.form, v.node.Shape())
	switch over := p.overwritten(v); {
	case v.placed:
	case v.kept:
		s = &slot{}
	case over != nil:
		s = p.at[over]
	default:
		if s = p.nearest(floats); s == nil {
			s = &slot{}
			p.shared = append(p.shared, s)
		}
	}
	for _, in := range v.in {
		if p.ends(in, v) {
			p.at[in].taken = false
		}
	}
	if s != nil {
		s.floats, s.taken = max(s.floats, floats), true
		p.at[v] = s
	}
}

// ends reports whether in's memory is free once v is computed.
func (p *memoryPlan) ends(in, v *value) bool { return !in.placed && !in.kept && p.last[in] == v.index }

// overwritten returns the input whose memory v's output may take, or nil.
func (p *memoryPlan) overwritten(v *value) *value {
	k := v.op.overwrites()
	if k < 0 || !p.ends(v.in[k], v) || !v.node.Shape().Eq(v.in[k].node.Shape()) {
		return nil
	}
	for i, other := range v.in {
		if i != k && other == v.in[k] {
			return nil
		}
	}
	return v.in[k]
}

// nearest returns the free slot that an output of the given size wastes least in: the
// smallest that holds it, or else the largest, which will grow. It returns nil if
// none is free.
func (p *memoryPlan) nearest(floats int) *slot {
	var best *slot
	for _, s := range p.shared {
		switch {
		case s.taken:
		case best == nil,
			best.floats < floats && s.floats > best.floats,
			s.floats >= floats && s.floats < best.floats:
			best = s
		}
	}
	return best
}
