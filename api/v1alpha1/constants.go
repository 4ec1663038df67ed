package v1alpha1

// Defaults of a Processor's spec.defaults. The API server fills them in from the markers in processor_types.go, which
// must say the same; they are here for a job whose Processor is gone.
const (
	DefaultTimeoutSeconds          = 600
	DefaultPendingTimeoutSeconds   = 300
	DefaultRetries                 = 2
	DefaultTTLSecondsAfterFinished = 86400
)

// MaxMessageLength is that of status.message, in characters, as its marker has it.
const MaxMessageLength = 4096

// GatewayAudience is the audience of the tokens with which a job's pod shows the gateway who it is. The API server
// refuses a token of this audience, so it is of no use anywhere else.
const GatewayAudience = "bricklayers-gateway"

// AnnotationTraceparent says which trace an object belongs to, as W3C Trace Context writes it. The gateway sets it on a
// ProcessingJob, the manager on what it makes for one.
const AnnotationTraceparent = "processing.bricklayers.dev/traceparent"
