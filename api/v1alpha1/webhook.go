package v1alpha1

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
)

// WebhookPatience is how long after a job's end its webhook is tried, and so how long a job that has one may be kept
// beyond its retention.
const WebhookPatience = 24 * time.Hour

// Reasons of the condition Notified.
const (
	ReasonDelivered  = "Delivered"
	ReasonNotAllowed = "NotAllowed"
	ReasonGivenUp    = "GivenUp"
)

// WebhookPending tells whether a finished job's webhook is still to be told.
func (j *ProcessingJob) WebhookPending() bool {
	return j.Spec.Webhook != nil && j.Status.Phase.Finished() &&
		meta.FindStatusCondition(j.Status.Conditions, ConditionNotified) == nil
}
