package decomp

// Tokens is what makes of what the heads of a vision transformer read of tokens what each
// token adds to the image feature. With reads y[l,t,h] = a[l,h,t]·(W_V^h x[t] + B_V^h) of
// layer l, and the mean m and deviation sd of the class token in the last norm, token t adds
// by head h
//
//	( y[l,t,h] W_O^h + B_O/(T·H) - mean/(S·T·H) ) / sd + shift/(S·T·H)
//
// to the feature, with S = 2L+1 parts of the class token's residual, each of which has an
// equal share of the norm's mean and bias. What the class token itself and the MLPs add
// makes up the rest. Source: arXiv:2310.05916.
type Tokens struct {
	Layers, Width, OutDim int // L, W = H·D, O

	Out     []float32 // W_O diag(γ) proj, rows h*D+d, [L,W,O]
	OutBias []float32 // B_O diag(γ) proj, [L,O]
	Mean    []float32 // γ proj, [O]
	Shift   []float32 // β proj, [O]
}
