package rights

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Request is one request of a service account, as the audit log has it.
type Request struct {
	Account   Account
	Namespace string
	Group     string
	Resource  string // with "/subresource"; empty: no resource, such as /apis
	Name      string
	Verb      string
	URI       string
	Denied    bool // by authorization; an admission plugin that says no is another matter
	Reason    string
}

// event is what an audit log says of a request (audit.k8s.io/v1).
type event struct {
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
	} `json:"objectRef"`
	Annotations map[string]string `json:"annotations"`
}

// Read returns the requests of service accounts in an audit log of JSON lines.
func Read(log io.Reader) ([]Request, error) {
	var requests []Request
	lines := bufio.NewReader(log)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return requests, nil // what is left is a line that the API server is still writing
		}
		if err != nil {
			return nil, err
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d of the audit log: %w", number, err)
		}
		if r, ok := e.request(); ok {
			requests = append(requests, r)
		}
	}
}

func (e *event) request() (Request, bool) {
	name, ok := strings.CutPrefix(e.User.Username, "system:serviceaccount:")
	if !ok {
		return Request{}, false
	}
	namespace, name, _ := strings.Cut(name, ":")
	resource := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	return Request{
		Account: Account{namespace, name}, Namespace: e.ObjectRef.Namespace, Group: e.ObjectRef.APIGroup,
		Resource: resource, Name: e.ObjectRef.Name, Verb: e.Verb, URI: e.RequestURI,
		Denied: e.Annotations["authorization.k8s.io/decision"] == "forbid",
		Reason: e.Annotations["authorization.k8s.io/reason"],
	}, true
}
