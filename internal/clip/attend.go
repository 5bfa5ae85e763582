package clip

import "github.com/clipnh/clipnh/internal/par"

// Position returns the attention pool's position embedding, [T,C], row 0 being
// the class token's. It is the tower's own and must not be written to.
func (t *ResNetTower) Position() []float32 { return t.position }

// Attend runs the attention pool alone on tokens [B,T,C], position embedding
// added, and fills the first three fields of out; the others must be empty. On
// the tokens that a Run gave, it gives that Run's attention, scores and features
// to the last bit.
func (t *ResNetTower) Attend(tokens []float32, out Output) error {
	each := t.Tokens() * t.config.Neurons()
	n := len(tokens) / each
	if len(tokens) != n*each {
		panic("clip: tokens are not [B,T,C]")
	}
	if len(out.Blocks) > 0 || len(out.Lenses) > 0 || out.AllAttention != nil || out.TokenValues != nil || out.SelfSelf != nil {
		panic("clip: the pool alone gives attention, scores and features")
	}
	return share(t.lanes, t.all, n, func(l *lane, lo, hi int, team par.Team) error { return l.attend(tokens, lo, hi, out, team) })
}

// attend runs the attention pool on images lo to hi of tokens.
func (l *lane) attend(tokens []float32, lo, hi int, out Output, team par.Team) error {
	l.work.team = team
	each := l.tower.Tokens() * l.tower.config.Neurons()
	for start := lo; start < hi; start += l.capacity {
		count := min(l.capacity, hi-start)
		copy(l.pool.tokens.all, tokens[start*each:(start+count)*each])
		if err := l.pool.run(count, &l.work); err != nil {
			return err
		}
		l.pool.deliver(out, start)
	}
	return nil
}
