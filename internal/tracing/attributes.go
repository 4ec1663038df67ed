package tracing

import "go.opentelemetry.io/otel/attribute"

// Attributes of spans that OpenTelemetry has no name for.
const (
	JobKey       = attribute.Key("bricklayers.job")
	ProcessorKey = attribute.Key("bricklayers.processor")
	AttemptKey   = attribute.Key("bricklayers.attempt")
	OutcomeKey   = attribute.Key("bricklayers.outcome") // of an attempt
	ReasonKey    = attribute.Key("bricklayers.reason")  // why a job is in its phase
	PhaseKey     = attribute.Key("bricklayers.phase")
)
