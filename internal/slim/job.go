package slim

import (
	"reflect"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// Job is the batch/v1 Job of an attempt.
type Job struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Suspend    bool
	StartTime  *metav1.Time
	Conditions []batchv1.JobCondition
}

// Whole is the Job as the API knows it, with what is kept of it.
func (j *Job) Whole() *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: j.ObjectMeta,
		Spec:       batchv1.JobSpec{Suspend: ptr.To(j.Suspend)},
		Status:     batchv1.JobStatus{StartTime: j.StartTime, Conditions: j.Conditions},
	}
}

// Same tells whether nothing that is kept differs but the version.
func (j *Job) Same(other *Job) bool {
	versioned := *other
	versioned.ResourceVersion = j.ResourceVersion
	return reflect.DeepEqual(j, &versioned)
}

// Reset empties the Job, as a decoder does first.
func (j *Job) Reset() { *j = Job{} }

// Unmarshal reads the Job from its protobuf message.
func (j *Job) Unmarshal(message []byte) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			return decodeMeta(&j.ObjectMeta, value, nil, jobAnnotations)
		case 2:
			return j.decodeSpec(value)
		case 3:
			return j.decodeStatus(value)
		}
		return nil
	})
}

func (j *Job) decodeSpec(message []byte) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		if number == 10 {
			suspend, n := protowire.ConsumeVarint(value)
			if n < 0 {
				return protowire.ParseError(n)
			}
			j.Suspend = suspend != 0
		}
		return nil
	})
}

func (j *Job) decodeStatus(message []byte) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			condition := batchv1.JobCondition{}
			if err := condition.Unmarshal(value); err != nil {
				return err
			}
			j.Conditions = append(j.Conditions, condition)
		case 2:
			j.StartTime = &metav1.Time{}
			return j.StartTime.Unmarshal(value)
		}
		return nil
	})
}

// DeepCopyObject makes the Job a runtime.Object.
func (j *Job) DeepCopyObject() runtime.Object {
	c := *j
	j.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	c.StartTime = j.StartTime.DeepCopy()
	c.Conditions = slices.Clone(j.Conditions) // of values and times that are never changed in place
	return &c
}

// JobList is a list of them.
type JobList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []Job
}

// Reset empties the list, as a decoder does first.
func (l *JobList) Reset() { *l = JobList{} }

// Unmarshal reads the list from its protobuf message.
func (l *JobList) Unmarshal(message []byte) error {
	return decodeList(&l.ListMeta, message, func(item []byte) error {
		l.Items = append(l.Items, Job{})
		return l.Items[len(l.Items)-1].Unmarshal(item)
	})
}

// DeepCopyObject makes the list a runtime.Object.
func (l *JobList) DeepCopyObject() runtime.Object {
	c := *l
	l.ListMeta.DeepCopyInto(&c.ListMeta)
	c.Items = make([]Job, len(l.Items))
	for i := range l.Items {
		c.Items[i] = *l.Items[i].DeepCopyObject().(*Job)
	}
	return &c
}
