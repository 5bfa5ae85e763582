package device

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipe"
	"github.com/clipnh/clipnh/internal/usage"
)

// wait bounds how long a helper may take to answer. Loading compiles a graph, which takes
// a minute on some devices.
const wait = 10 * time.Minute

// Device is one that was found, with its helper at work.
type Device struct {
	kind    Kind
	runtime pipe.Runtime
	client  *pipe.Client
	threads int
	loaded  graph // that the helper has
}

// Open starts the helper for a device of Kinds.
func Open(name string, threads int) (*Device, error) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return nil, usage.Errorf("{device} %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	d := &Device{kind: Kinds()[i], threads: threads}
	client, about, err := connect()
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	d.client, d.runtime = client, *about
	if !slices.Contains(about.Providers, d.kind.Provider) {
		d.Close()
		err := fmt.Errorf("device %s: %s %s has no %s; it has %s", name, about.Name, about.Version, d.kind.Provider, strings.Join(about.Providers, ", "))
		return nil, hint.With(err, "get a build of ONNX Runtime that has it, or choose another {device}")
	}
	return d, nil
}

// connect starts the helper and has it open the library.
func connect() (*pipe.Client, *pipe.Runtime, error) {
	p, err := Find()
	switch {
	case err != nil:
		return nil, nil, err
	case p.Helper == "":
		return nil, nil, errMissing("the program "+helperName, p.HelperLooked, HelperHint)
	case p.Library == "":
		return nil, nil, errMissing("ONNX Runtime", p.LibraryLooked, LibraryHint)
	}
	client, err := pipe.Start(p.Helper, []string{"serve"}, nil, wait)
	if err != nil {
		return nil, nil, err
	}
	about, err := client.Hello(p.Library)
	if err != nil {
		client.Close()
		return nil, nil, hint.With(err, LibraryHint)
	}
	return client, about, nil
}

// Close ends the helper.
func (d *Device) Close() error { return d.client.Close() }

// Origin is what artefacts say of the device.
func (d *Device) Origin() *origin.Device {
	return &origin.Device{Name: d.kind.Name, Provider: d.kind.Provider, Runtime: d.runtime.Name + " " + d.runtime.Version, Precision: origin.Float32}
}

// Report is what there is for devices.
type Report struct {
	Places
	Runtime string   `json:"runtime"` // with its version; empty where it cannot be opened
	Error   string   `json:"error,omitempty"`
	Hint    string   `json:"hint,omitempty"`
	Devices []Status `json:"devices"`
}

// Status says of a device what is known without a model.
type Status struct {
	Kind
	Built     bool     `json:"built"`            // the library was built with the provider
	Lacking   []string `json:"lacking"`          // files of the provider's own that were looked for and are not there
	Available bool     `json:"available"`        // it can be asked for: the library has it, and its files are there
	Unseen    string   `json:"unseen,omitempty"` // what cannot be told of an available one before a model is loaded
}

// status says what is known of a device of a library that has providers.
func (k Kind) status(library string, providers []string, system string) Status {
	s := Status{Kind: k, Built: slices.Contains(providers, k.Provider), Lacking: []string{}}
	if s.Built {
		s.Lacking = k.lacking(library, system)
	}
	if s.Available = s.Built && len(s.Lacking) == 0; s.Available {
		s.Unseen = k.unseen()
	}
	return s
}

// Look finds out what there is. What is missing is no error, but said.
func Look() *Report {
	p, err := Find()
	r := &Report{Places: p}
	var have []string
	if err == nil {
		var client *pipe.Client
		var about *pipe.Runtime
		if client, about, err = connect(); err == nil {
			r.Runtime, have = about.Name+" "+about.Version, about.Providers
			err = client.Close()
		}
	}
	if err != nil {
		r.Error = err.Error()
		if h, ok := err.(interface{ Hint() string }); ok {
			r.Hint = h.Hint()
		}
	}
	for _, k := range Kinds() {
		r.Devices = append(r.Devices, k.status(p.Library, have, runtime.GOOS))
	}
	return r
}
