// Package podapi is what a job's pod and the gateway say to each other. It imports nothing of Kubernetes, so that the
// agent stays small.
package podapi

// Paths of the gateway's pod port. Every request carries the pod's token (Authorization: Bearer) and concerns the
// pod's own job only.
const (
	InputPath = "/pod/v1/input" // GET: the uploaded file
	// Followed by an output file's name. PUT: the file. POST, with what is known of it: where else it can be put.
	OutputsPath = "/pod/v1/outputs/"
	CommitPath  = "/pod/v1/commit" // POST: makes the outputs the job's result
)

// ThroughGateway as a query has the gateway send the input itself, not an address where it can be had: for a pod that
// cannot reach the bucket.
const ThroughGateway = "through=gateway"

// EnvTraceparent is the variable of the environment in which a container finds its span, as OpenTelemetry's environment
// carrier has it, and HeaderTraceparent the header in which its requests say so. Both hold a W3C traceparent.
const (
	EnvTraceparent    = "TRACEPARENT"
	HeaderTraceparent = "traceparent"
)

// SignedPut answers where a file can be put: at the gateway when it is empty.
type SignedPut struct {
	URL    string            `json:"url,omitempty"`
	Header map[string]string `json:"header,omitempty"` // to be sent as it is, without the token
}

// TokenFile is where the pod's token is mounted. The kubelet renews it, so it is read for each request.
const TokenFile = "/var/run/secrets/bricklayers/token"

// MaxFiles is how many output files a result may have.
const MaxFiles = 256

// File is what is known of one file.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hexadecimal
}

// Commit is the body of a commit.
type Commit struct {
	Input File   `json:"input"`
	Files []File `json:"files"`
}

// Problem is the body of an answer that is an error, RFC 9457.
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason"`
}

// ProblemContentType is the media type of a Problem.
const ProblemContentType = "application/problem+json"

// Reasons that the agent acts on.
const (
	ReasonAlreadyCommitted = "already_committed" // the job has its result, of this pod or of another, which stands
	ReasonJobFinished      = "job_finished"      // the job ended without this pod
)
