package report

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
)

const (
	textBudget   = 5e11 // products of texts and pairs, multiplications
	nearestPairs = 16
	imagesOfText = 16
)

// writeTexts writes what is near each word that units have: as many words as the budget
// allows, those first that most units have.
func (b *builder) writeTexts(ctx context.Context) error {
	if b.pcs == nil || b.texts == nil || !b.whole {
		return nil
	}
	O := b.scores.OV.OutDim
	count := min(len(b.wordList), int(textBudget/(float64(b.pairs())*float64(O))))
	embeddings := make([]float32, count*O)
	for i := range count {
		copy(embeddings[i*O:(i+1)*O], b.texts.Rows[b.wordAt[i]*O:][:O])
	}
	units := append([]float32(nil), b.features...)
	for i := range b.scores.Images {
		normalize(units[i*O : (i+1)*O])
	}
	groups := b.groupMeans(units)
	b.textCount = count
	var missing []int // first texts of files
	for lo := 0; lo < count; lo += report.ShardTexts {
		if !b.folder.has(report.FileOf(report.TextName(lo))) {
			missing = append(missing, lo)
		}
	}
	for of := range slices.Chunk(missing, textFiles) {
		if err := b.writeTextFiles(ctx, of, embeddings, units, groups); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// textFiles is how many files are made of one reading of the components.
const textFiles = 16

// writeTextFiles writes the files of some texts, from those numbers first on.
func (b *builder) writeTextFiles(ctx context.Context, firsts []int, embeddings, units []float32, groups []groupMean) error {
	O := b.scores.OV.OutDim
	var texts []float32
	for _, lo := range firsts {
		texts = append(texts, embeddings[lo*O:min(len(embeddings), (lo+report.ShardTexts)*O)]...)
	}
	pairs, err := b.pcs.Nearest(ctx, texts, nearestPairs, b.team())
	if err != nil {
		return err
	}
	for _, lo := range firsts {
		own := embeddings[lo*O : min(len(embeddings), (lo+report.ShardTexts)*O)]
		shard := b.textShard(lo, own, units, groups, pairs[:len(own)/O])
		pairs = pairs[len(own)/O:]
		if err := b.folder.write(report.TextName(lo), shard); err != nil {
			return err
		}
	}
	return nil
}

// textShard is the record of some words, from number first on, with embeddings [n,O] and the
// pairs nearest to each.
func (b *builder) textShard(first int, embeddings, units []float32, groups []groupMean, pairs [][]artefact.Near) *report.TextShard {
	O, team := b.scores.OV.OutDim, b.team()
	images := nearestOf(embeddings, units, O, min(imagesOfText, b.scores.Images), team)
	shard := &report.TextShard{First: first}
	for i := range pairs {
		text := embeddings[i*O : (i+1)*O]
		r := report.TextRecord{Word: b.wordList[first+i], Pairs: b.nearPairs(pairs[i]), Images: []report.NearImage{}}
		near, cosines := images.of(i)
		for at, image := range near {
			if image >= 0 {
				r.Images = append(r.Images, report.NearImage{Image: int(image), Cosine: rounded(float64(cosines[at]))})
			}
		}
		for g, mean := range groups {
			r.Years = append(r.Years, report.YearMean{Year: b.groupNames[g], Mean: rounded(dot(text, mean.feature)), Images: mean.images})
		}
		shard.Texts = append(shard.Texts, r)
	}
	return shard
}

func (b *builder) nearPairs(near []artefact.Near) []report.NearPair {
	pairs := []report.NearPair{}
	for _, p := range near {
		pairs = append(pairs, report.NearPair{Pair: p.Unit, Cosine: rounded(p.Cosine), Norm: b.pairsOf.norm[p.Unit].Mean})
	}
	return pairs
}

// groupMean is the mean of the unit features of a group of images.
type groupMean struct {
	images  int
	feature []float32 // [O]
}

func (b *builder) groupMeans(units []float32) []groupMean {
	if b.groups == nil {
		return nil
	}
	O := b.scores.OV.OutDim
	sums, means := make([]float64, len(b.groupNames)*O), make([]groupMean, len(b.groupNames))
	for i, g := range b.groups {
		if g < 0 {
			continue
		}
		means[g].images++
		for o, x := range units[i*O : (i+1)*O] {
			sums[g*O+o] += float64(x)
		}
	}
	for g := range means {
		means[g].feature = make([]float32, O)
		for o := range O {
			means[g].feature[o] = float32(sums[g*O+o] / float64(max(means[g].images, 1)))
		}
	}
	return means
}
