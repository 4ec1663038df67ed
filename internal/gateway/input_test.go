package gateway

import (
	"encoding/json"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func TestInputOfAJob(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("by-url", v1alpha1.PhasePending))
	content := print(50)
	var view jobView
	a := f.upload(part{"processor", "", "brick"}, part{"file", "a.gcode", content})
	if err := json.Unmarshal(a.body, &view); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	a = f.do("GET", view.Links.Input, nil)
	if a.status != 200 || string(a.body) != content || a.header.Get("Content-Disposition") != "attachment; filename=a.gcode" {
		t.Errorf("answered %d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	for path, reason := range map[string]string{"by-url": reasonFileMissing, "unknown": reasonJobNotFound} {
		if a := f.do("GET", "/api/v1/input/"+path, nil); a.reason() != reason {
			t.Errorf("%s: answered %d %s, want %s", path, a.status, a.body, reason)
		}
	}
}
