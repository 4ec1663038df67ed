package parameters

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func brick(parameters ...v1alpha1.Parameter) *v1alpha1.Processor {
	return &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Name: "brick"},
		Spec:       v1alpha1.ProcessorSpec{Parameters: parameters},
	}
}

func number(n string) *v1alpha1.Number { return ptr.To(v1alpha1.Number(n)) }

var (
	multiplier = v1alpha1.Parameter{
		Name: "multiplier", Type: v1alpha1.ParameterNumber, Default: ptr.To("1.05"), Minimum: number("1"), Maximum: number("1.5"),
	}
	startLayer = v1alpha1.Parameter{
		Name: "startLayer", Type: v1alpha1.ParameterInteger, Default: ptr.To("2"), Minimum: number("2"),
	}
	order = v1alpha1.Parameter{
		Name: "order", Type: v1alpha1.ParameterEnum, Default: ptr.To("slicer"), Values: []string{"slicer", "contour"},
	}
	force = v1alpha1.Parameter{Name: "force", Type: v1alpha1.ParameterBoolean, Default: ptr.To("false")}
	label = v1alpha1.Parameter{Name: "label", Type: v1alpha1.ParameterString, Pattern: "[a-z]+|[0-9]"}
)

func TestResolveKeepsOrderAndFillsDefaults(t *testing.T) {
	got, err := Resolve(brick(multiplier, startLayer, order), map[string]string{"order": "contour"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Value{
		{"multiplier", "PARAM_MULTIPLIER", "1.05"},
		{"startLayer", "PARAM_START_LAYER", "2"},
		{"order", "PARAM_ORDER", "contour"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("value %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestResolveChecksValues(t *testing.T) {
	tests := []struct {
		parameter v1alpha1.Parameter
		value     string
		wrong     string // part of the message; "" when the value is good
	}{
		{multiplier, "1", ""},
		{multiplier, "1.50", ""},
		{multiplier, "1.5000000000000000000001", "must be a decimal number such as 1.05 from 1 to 1.5"},
		{multiplier, "0.9999999999999999999999", "from 1 to 1.5"},
		{multiplier, "1e0", "must be a decimal number"},
		{multiplier, "1e1000000000", "must be a decimal number"},
		{multiplier, "NaN", "must be a decimal number"},
		{multiplier, "", "must be a decimal number"},
		{multiplier, "1,05", "must be a decimal number"},
		{multiplier, "1." + strings.Repeat("0", 31), "must be a decimal number"},
		{startLayer, "3", ""},
		{startLayer, "007", ""},
		{startLayer, "1", "must be a whole number of at least 2"},
		{startLayer, "2.5", "must be a whole number of at least 2"},
		{order, "slicer", ""},
		{order, "Slicer", "must be one of slicer, contour"},
		{force, "true", ""},
		{force, "yes", "must be true or false"},
		{label, "abc", ""},
		{label, "7", ""},
		{label, "abc7", "must be text that matches"},
		{label, "abc\n", "must be text that matches"},
		{v1alpha1.Parameter{Name: "x", Type: v1alpha1.ParameterString}, "a\x00b", "without NUL"},
		{v1alpha1.Parameter{Name: "x", Type: v1alpha1.ParameterString}, "\xff", "UTF-8"},
		{v1alpha1.Parameter{Name: "x", Type: v1alpha1.ParameterString}, strings.Repeat("ä", 1024), ""},
		{v1alpha1.Parameter{Name: "x", Type: v1alpha1.ParameterString}, strings.Repeat("ä", 1025), "has 1025 characters"},
		{v1alpha1.Parameter{Name: "x", Type: v1alpha1.ParameterString, Pattern: "("}, "a", "not a regular expression"},
		{v1alpha1.Parameter{Name: "x", Type: "Colour"}, "a", "does not know"},
	}
	for _, test := range tests {
		_, err := Resolve(brick(test.parameter), map[string]string{test.parameter.Name: test.value})
		switch {
		case test.wrong == "" && err != nil:
			t.Errorf("%s=%q: %v", test.parameter.Name, test.value, err)
		case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
			t.Errorf("%s=%q: error %v, want one with %q", test.parameter.Name, test.value, err, test.wrong)
		}
	}
}

func TestResolveNamesEverythingThatIsWrong(t *testing.T) {
	badDefault := v1alpha1.Parameter{Name: "step", Type: v1alpha1.ParameterNumber, Default: ptr.To("9"), Maximum: number("5")}
	_, err := Resolve(brick(multiplier, label, badDefault), map[string]string{"multiplier": "2", "multipler": "1"})
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v, want an InvalidError", err)
	}
	want := map[string]string{
		"multipler":  "is not one of processor \"brick\": it has label, multiplier, step",
		"multiplier": "is 2; it must be a decimal number such as 1.05 from 1 to 1.5",
		"label":      "must be set",
		"step":       "its default in processor \"brick\" cannot be used",
	}
	if len(invalid.Problems) != len(want) {
		t.Errorf("%d problems, want %d: %v", len(invalid.Problems), len(want), err)
	}
	for _, p := range invalid.Problems {
		if part, ok := want[p.Parameter]; !ok || !strings.Contains(p.Message, part) {
			t.Errorf("%s: %s; want %q in it", p.Parameter, p.Message, part)
		}
	}
}

func TestCheckWaitsForWhatIsNotSet(t *testing.T) {
	if err := Check(brick(multiplier, label), map[string]string{"multiplier": "1.1"}); err != nil {
		t.Error(err)
	}
	for _, given := range []map[string]string{{"multiplier": "2"}, {"unheard": "2"}} {
		if err := Check(brick(multiplier, label), given); err == nil {
			t.Errorf("%v passed", given)
		}
	}
}

func TestEnvName(t *testing.T) {
	for name, want := range map[string]string{
		"multiplier": "PARAM_MULTIPLIER", "startLayer": "PARAM_START_LAYER", "aBC": "PARAM_A_B_C", "layer2Top": "PARAM_LAYER2_TOP",
	} {
		if got := envName(name); got != want {
			t.Errorf("envName(%q) = %q, want %q", name, got, want)
		}
	}
}
