package webhook

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/netguard"
)

// The example of the specification's reference libraries.
const exampleSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func secretFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSignature(t *testing.T) {
	p := &Policy{SecretFile: secretFile(t, exampleSecret+"\n")}
	m := &message{id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: []byte(`{"test": 2432232314}`)}
	header := http.Header{}
	if err := p.sign(header, m, time.Unix(1614265330, 0)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"webhook-id": m.id, "webhook-timestamp": "1614265330",
		"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// With two secrets, receivers of either are served; a new file is used without a restart.
func TestSecretsChange(t *testing.T) {
	const other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	file := secretFile(t, exampleSecret)
	p := &Policy{SecretFile: file}
	m := &message{id: "msg_1", body: []byte("{}")}
	verified := func(secret string) bool {
		header := http.Header{}
		if err := p.sign(header, m, time.Now()); err != nil {
			t.Fatal(err)
		}
		receiver, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return receiver.Verify(m.body, header) == nil
	}
	if !verified(exampleSecret) || verified(other) {
		t.Error("one secret")
	}
	if err := os.WriteFile(file, []byte(exampleSecret+"\n"+other+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !verified(exampleSecret) || !verified(other) {
		t.Error("two secrets")
	}
}

func TestCheck(t *testing.T) {
	p := &Policy{
		Hosts: []string{"example.com", "*.example.org", "10.1.2.3", "[FD00::1]"},
		Guard: netguard.Guard{Allow: []netip.Prefix{
			netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64"),
		}},
	}
	for address, want := range map[string]bool{
		"https://example.com/hook": true, "https://EXAMPLE.com:8443/hook?a=b": true, "https://a.example.org": true,
		"https://a.b.example.org": true, "http://10.1.2.3/hook": true, "http://[fd00::1]:8080/hook": true, "http://[fd00::2]/": false,
		"http://example.com/hook": false, "https://sub.example.com": false, "https://example.org": false,
		"https://badexample.org": false, "https://example.com.evil.net": false, "https://user:pw@example.com": false,
		"https://example.com@evil.net/": false, "http://10.1.2.4/": false, "ftp://example.com": false, "example.com": false,
		"https://exa mple.com": false,
	} {
		if err := p.Check(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := (&Policy{}).Check("https://example.com"); err == nil || !strings.Contains(err.Error(), "--webhook-hosts") {
		t.Errorf("without hosts: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := secretFile(t, exampleSecret)
	for name, test := range map[string]struct {
		policy Policy
		want   string
	}{
		"off":           {Policy{}, ""},
		"on":            {Policy{Hosts: []string{"example.com", "*.example.org"}, SecretFile: good}, ""},
		"no secret":     {Policy{Hosts: []string{"example.com"}}, "need a secret"},
		"no such file":  {Policy{Hosts: []string{"example.com"}, SecretFile: "/nowhere"}, "no such file"},
		"empty file":    {Policy{Hosts: []string{"example.com"}, SecretFile: secretFile(t, "\n")}, "has no secret"},
		"short secret":  {Policy{Hosts: []string{"example.com"}, SecretFile: secretFile(t, "whsec_AAAA")}, "at least 24 bytes"},
		"no Base64":     {Policy{Hosts: []string{"example.com"}, SecretFile: secretFile(t, "whsec_"+strings.Repeat("?", 40))}, "not whsec_ and Base64"},
		"everything":    {Policy{Hosts: []string{"*"}, SecretFile: good}, "not a host"},
		"an address":    {Policy{Hosts: []string{"https://example.com"}, SecretFile: good}, "not a host"},
		"with a folder": {Policy{Hosts: []string{"example.com/hooks"}, SecretFile: good}, "not a host"},
	} {
		err := test.policy.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestSend(t *testing.T) {
	elsewhere := 0
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer target.Close()
	for name, test := range map[string]struct {
		status int
		header []string
		check  func(error) bool
	}{
		"received":  {204, nil, func(err error) bool { return err == nil }},
		"gone":      {410, nil, func(err error) bool { return isFinal(err, v1alpha1.ReasonGivenUp) }},
		"forbidden": {403, nil, func(err error) bool { return err != nil && !isFinal(err, "") }},
		"a redirect": {307, []string{"Location", target.URL}, func(err error) bool {
			return err != nil && elsewhere == 0
		}},
		"busy": {503, []string{"Retry-After", "77"}, func(err error) bool {
			var busy *busyError
			return errors.As(err, &busy) && busy.after == 77*time.Second
		}},
	} {
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if test.header != nil {
				w.Header().Set(test.header[0], test.header[1])
			}
			w.WriteHeader(test.status)
		}))
		p := &Policy{
			Hosts: []string{"127.0.0.1"}, SecretFile: secretFile(t, exampleSecret),
			Guard: netguard.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		}
		if err := p.send(t.Context(), p.newClient(), &message{id: "a", url: receiver.URL, body: []byte("{}")}, time.Now()); !test.check(err) {
			t.Errorf("%s: %v", name, err)
		}
		receiver.Close()
	}
}

func isFinal(err error, reason string) bool {
	var final *finalError
	return errors.As(err, &final) && (reason == "" || final.reason == reason)
}

// A host that is allowed by name but leads inside is refused when it is connected to.
func TestSendStaysOutside(t *testing.T) {
	p := &Policy{Hosts: []string{"localhost"}, SecretFile: secretFile(t, exampleSecret)}
	err := p.send(t.Context(), p.newClient(), &message{id: "a", url: "https://localhost:1/", body: []byte("{}")}, time.Now())
	var refused *netguard.RefusedError
	if !isFinal(err, v1alpha1.ReasonNotAllowed) || !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}
