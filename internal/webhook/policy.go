// Package webhook tells an address of a job's choice that the job has finished, as Standard Webhooks has it
// (https://www.standardwebhooks.com): signed, and again until it was received.
package webhook

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bricklayers.dev/bricklayers/internal/netguard"
)

// Policy is where webhooks may go, and with which secrets they are signed.
type Policy struct {
	// Hosts are allowed by name, such as example.com, or *.example.com for what is below it. None allows no webhooks.
	Hosts []string
	// Guard keeps names of allowed hosts from leading to what only the cluster can reach.
	Guard netguard.Guard
	// SecretFile has a secret on each line, as whsec_ and Base64. With several, each message is signed with each, so that
	// receivers can change from one to the other. It is read again for each message.
	SecretFile string
}

// Check refuses an address that webhooks may not go to.
func (p *Policy) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%q is not an address: %w", address, errors.Unwrap(err))
	}
	if len(p.Hosts) == 0 {
		return errors.New("webhooks are not allowed here; see the gateway's flag --webhook-hosts")
	}
	if err := p.Guard.CheckURL(u); err != nil {
		return err
	}
	if u.User != nil {
		return errors.New("an address of a webhook must not carry a password; the signature says who sends it")
	}
	host := strings.ToLower(u.Hostname())
	for _, allowed := range p.Hosts {
		below, wildcard := strings.CutPrefix(strings.Trim(strings.ToLower(allowed), "[]"), "*") // [fd00::1] is fd00::1
		if host == below && !wildcard || wildcard && strings.HasSuffix(host, below) {
			return nil
		}
	}
	return fmt.Errorf("the host %q is none that webhooks may go to", host)
}

// Validate says what is wrong with the policy itself.
func (p *Policy) Validate() error {
	for _, host := range p.Hosts {
		name := strings.TrimPrefix(host, "*.")
		if name == "" || strings.ContainsAny(name, "*/: ") && !strings.HasPrefix(name, "[") {
			return fmt.Errorf("%q is not a host such as example.com or *.example.com", host)
		}
	}
	if len(p.Hosts) == 0 {
		return nil
	}
	if p.SecretFile == "" {
		return errors.New("webhooks need a secret to be signed with")
	}
	_, err := p.signers()
	return err
}

// minSecret is in bytes; Standard Webhooks has from 24 to 64.
const minSecret = 24

// signers reads the secrets.
func (p *Policy) signers() ([]*standardwebhooks.Webhook, error) {
	content, err := os.ReadFile(p.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("read the webhooks' secrets: %w", err)
	}
	var signers []*standardwebhooks.Webhook
	for secret := range strings.FieldsSeq(string(content)) {
		if !strings.HasPrefix(secret, "whsec_") || len(secret) < len("whsec_")+minSecret*4/3 {
			return nil, fmt.Errorf("%s: a secret must be whsec_ and at least %d bytes in Base64", p.SecretFile, minSecret)
		}
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, fmt.Errorf("%s: a secret is not whsec_ and Base64", p.SecretFile) // err might show it
		}
		signers = append(signers, signer)
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("%s has no secret", p.SecretFile)
	}
	return signers, nil
}
