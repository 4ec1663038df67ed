package gateway

import (
	"net/http"
	"net/url"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/filename"
	"bricklayers.dev/bricklayers/internal/parameters"
)

// A job can be made of a link in place of a file. Nothing passes through the gateway then: the job's pod fetches the
// file, from public addresses only (internal/netguard) unless the installation allows others.

const maxLink = 2048 // as the CRD has it

func (u *upload) setLink(value string) error {
	if value == "" {
		return nil // an empty field of a web form
	}
	u.link = value
	if !u.gateway.InputURLs {
		return fail(http.StatusForbidden, reasonLinks, "this installation takes no links; send the file itself")
	}
	address, err := url.Parse(value)
	if err != nil || address.Scheme != "https" || address.Hostname() == "" || len(value) > maxLink {
		return fail(http.StatusBadRequest, reasonBadField,
			"url is %q; it must be an https:// address of at most %d characters", value, maxLink)
	}
	if address.User != nil {
		return fail(http.StatusBadRequest, reasonBadField,
			"url must have no user and password: whoever can see the job could read them")
	}
	return nil
}

// checkLink is everything that can be said against a link without following it.
func (u *upload) checkLink() error {
	if u.fileName != "" {
		return fail(http.StatusBadRequest, reasonBadForm, "there are a file and a url; send one of them")
	}
	u.fileName = filename.FromURL(u.link)
	if err := u.admit(); err != nil {
		return err
	}
	if err := u.checkFile(); err != nil {
		return err
	}
	_, err := parameters.Resolve(u.processor, u.parameters)
	return asParameterProblem(err)
}

// sameInput tells whether a job has the input that this request has.
func (u *upload) sameInput(in *v1alpha1.Input) bool {
	if u.link != "" {
		return in.URL != nil && *in.URL == u.link
	}
	return in.Upload != nil && string(in.Upload.SHA256) == u.sha256
}

// input is the job's.
func (u *upload) input() v1alpha1.Input {
	if u.link != "" {
		return v1alpha1.Input{URL: &u.link}
	}
	return v1alpha1.Input{Upload: &v1alpha1.UploadInput{
		Name: v1alpha1.FileName(u.fileName), Size: &u.size, SHA256: v1alpha1.Digest(u.sha256),
	}}
}
