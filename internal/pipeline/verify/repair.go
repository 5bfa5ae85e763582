package verify

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
)

// repair computes what is damaged in a collection again, and looks at it again.
func (v *verifier) repair(ctx context.Context, f *found) error {
	if f.artefact == nil || f.State != StateDamaged || !artefact.IsCollection(f.artefact.Manifest) {
		return nil
	}
	o := collect.RepairOptions{Model: v.Model, DataKind: v.DataKind, DataPath: v.DataPath, BatchSize: v.BatchSize, Threads: v.Threads, Store: v.Store}
	if err := collect.Repair(ctx, f.artefact, o, v.say); err != nil {
		return err
	}
	was := *f.Report
	*f.Report = Report{Path: f.path, State: StateSound, Problems: []Problem{}, Parents: was.Parents, Images: was.Images, Repaired: was.Problems}
	if err := v.contents(ctx, f); err != nil {
		return err
	}
	if f.State == StateSound {
		f.State = StateRepaired
	}
	return nil
}
