package verify

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
)

// repair computes what is damaged in a collection again, and looks at it again. Without a
// model and images it leaves it as it is.
func (v *verifier) repair(ctx context.Context, f *found) error {
	if f.artefact == nil || f.State != StateDamaged || !artefact.IsCollection(f.artefact.Manifest) {
		return nil
	}
	if v.Model == "" || v.DataPath == "" {
		v.say.Note("%s: not repaired: that needs {model} and {data-path}", f.path)
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
