package forward

import (
	"strings"
	"testing"
)

func TestParseRule(t *testing.T) {
	const text = "127.0.0.1:8000=bricklayers-system/bricklayers-gateway:80"
	rule, err := ParseRule(text)
	if err != nil {
		t.Fatal(err)
	}
	want := Rule{Listen: "127.0.0.1:8000", Namespace: "bricklayers-system", Service: "bricklayers-gateway", Port: 80}
	if rule != want {
		t.Errorf("got %+v, want %+v", rule, want)
	}
	if rule.String() != text {
		t.Errorf("written again it is %q", rule)
	}
}

func TestParseRuleRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "write it as"},
		{"127.0.0.1:8000", "write it as"},
		{"8000=a/b:80", "missing port"},
		{"0.0.0.0:8000=a/b:80", "not a loopback address"},
		{"localhost:8000=a/b:80", "not a loopback address"},
		{"127.0.0.1:8000=b:80", "write it as"},
		{"127.0.0.1:8000=a/b", "missing port"},
		{"127.0.0.1:8000=a/b:http", "write it as"},
		{"127.0.0.1:8000=a/b:0", "write it as"},
		{"127.0.0.1:8000=a/b:65536", "write it as"},
	} {
		if _, err := ParseRule(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want one that contains %q", test.text, err, test.want)
		}
	}
}
