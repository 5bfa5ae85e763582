package directions

// together is how many units' inertias are computed at a time. Each is one chain of
// additions, in which an addition has to wait for the one before; those of several units
// do not wait for each other.
const together = 4

// inertias writes, for each of some units, the sum of squared distances of its images'
// embeddings to their mean,
//
//	dst[u] = Σ_b |e[b] - m|², m = (Σ_b e[b])/k
//
// A unit's result does not depend on the others. Shapes: dst [n], at most together;
// embeddings e [B,O]; images [n,k]; means [together,O] is scratch.
func inertias(dst []float64, embeddings []float32, images []int32, means []float64) {
	n, O := len(dst), len(means)/together
	k := len(images) / n
	for u := range n {
		setMean(means[u*O:(u+1)*O], embeddings, images[u*k:(u+1)*k])
	}
	// Fewer units than that go the same way, the last one in place of those that are not
	// there, so that a compiler which contracts additions contracts those of all units.
	at := func(u int) int { return min(u, n-1) }
	mean := func(u int) []float64 { return means[at(u)*O:][:O] }
	var s [together]float64
	m0, m1, m2, m3 := mean(0), mean(1), mean(2), mean(3)
	for i := range k {
		row := func(u int) []float32 { return embeddings[int(images[at(u)*k+i])*O:][:len(m0)] }
		e0, e1, e2, e3 := row(0), row(1), row(2), row(3)
		m1, m2, m3 := m1[:len(m0)], m2[:len(m0)], m3[:len(m0)]
		s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
		for o, m := range m0 {
			d0, d1, d2, d3 := float64(e0[o])-m, float64(e1[o])-m1[o], float64(e2[o])-m2[o], float64(e3[o])-m3[o]
			s0 += d0 * d0
			s1 += d1 * d1
			s2 += d2 * d2
			s3 += d3 * d3
		}
		s = [together]float64{s0, s1, s2, s3}
	}
	copy(dst, s[:n])
}

// setMean writes the mean of some images' embeddings to mean [O].
func setMean(mean []float64, embeddings []float32, images []int32) {
	O := len(mean)
	clear(mean)
	for _, b := range images {
		for o, x := range embeddings[int(b)*O : (int(b)+1)*O] {
			mean[o] += float64(x)
		}
	}
	for o := range mean {
		mean[o] /= float64(len(images))
	}
}
