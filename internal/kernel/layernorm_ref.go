package kernel

import (
	"math"
	"unsafe"
)

// layerNormRef normalises one pixel in plain Go. Lanes beyond the last channel become
// zero.
func layerNormRef(t *normArgs) {
	mean := t.sum(func(v float32) float32 { return v }) * t.share
	variance := t.sum(func(v float32) float32 { return (v - mean) * (v - mean) }) * t.share
	scale := float32(1 / math.Sqrt(float64(variance+t.epsilon)))
	gamma := unsafe.Slice((*float32)(t.gamma), t.channels)
	beta := unsafe.Slice((*float32)(t.beta), t.channels)
	for b := range t.blocks {
		s, d := pixelAt(t.src, b*t.srcBlock), pixelAt(t.dst, b*t.dstBlock)
		n := min(Lanes, t.channels-b*Lanes)
		g, h := gamma[b*Lanes:][:n], beta[b*Lanes:][:n]
		for l := range g {
			d[l] = (s[l]-mean)*scale*g[l] + h[l]
		}
		clear(d[n:])
	}
}

// sum adds up f over the pixel's channels: first over the blocks, lane by lane, then
// over the lanes.
func (t *normArgs) sum(f func(float32) float32) float32 {
	var lanes [Lanes]float32
	for b := range t.blocks {
		v := pixelAt(t.src, b*t.srcBlock)
		for l := range min(Lanes, t.channels-b*Lanes) {
			lanes[l] += f(v[l])
		}
	}
	total := float32(0)
	for _, v := range lanes {
		total += v
	}
	return total
}
