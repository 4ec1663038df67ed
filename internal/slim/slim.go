// Package slim holds Jobs and pods as the manager keeps them in memory: the few fields that a decision looks at.
//
// The API server sends whole objects at every change, most of which is a pod's specification that nobody here reads. Each
// kind decodes itself from the protobuf message and steps over the rest, so that what is not needed is neither parsed nor
// allocated. The field numbers are those of k8s.io/api's and k8s.io/apimachinery's generated.proto and never change.
package slim

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/internal/childname"
)

// AddToScheme registers the slim kinds in the place of the whole ones. A scheme can have either.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypeWithName(corev1.SchemeGroupVersion.WithKind("Pod"), &Pod{})
	scheme.AddKnownTypeWithName(corev1.SchemeGroupVersion.WithKind("PodList"), &PodList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	scheme.AddKnownTypeWithName(batchv1.SchemeGroupVersion.WithKind("Job"), &Job{})
	scheme.AddKnownTypeWithName(batchv1.SchemeGroupVersion.WithKind("JobList"), &JobList{})
	metav1.AddToGroupVersion(scheme, batchv1.SchemeGroupVersion)
	return nil
}

// fields calls do with the number and the bytes of each field of a message.
func fields(message []byte, do func(number protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(number, kind, message)
		if size < 0 {
			return protowire.ParseError(size)
		}
		value := message[:size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		if err := do(number, value); err != nil {
			return fmt.Errorf("field %d: %w", number, err)
		}
		message = message[size:]
	}
	return nil
}

// keep is which labels or annotations of an object are kept, by their constant names: a name that was decoded would be a
// string of its own in every object.
type keep map[string]string

// A watch ends its first events with an object that has nothing but an annotation that says so.
var (
	podLabels      = keep{childname.LabelJob: childname.LabelJob, childname.LabelJobUID: childname.LabelJobUID}
	podAnnotations = keep{metav1.InitialEventsAnnotationKey: metav1.InitialEventsAnnotationKey}
	jobAnnotations = keep{
		metav1.InitialEventsAnnotationKey:  metav1.InitialEventsAnnotationKey,
		childname.AnnotationTimeout:        childname.AnnotationTimeout,
		childname.AnnotationPendingTimeout: childname.AnnotationPendingTimeout,
		childname.AnnotationRetries:        childname.AnnotationRetries,
	}
)

func (k keep) add(to *map[string]string, entry []byte) error {
	var key, value []byte
	err := fields(entry, func(number protowire.Number, field []byte) error {
		switch number {
		case 1:
			key = field
		case 2:
			value = field
		}
		return nil
	})
	name, wanted := k[string(key)]
	if err != nil || !wanted {
		return err
	}
	if *to == nil {
		*to = make(map[string]string, len(k))
	}
	(*to)[name] = string(value)
	return nil
}

// decodeMeta reads an ObjectMeta.
func decodeMeta(meta *metav1.ObjectMeta, message []byte, labels, annotations keep) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			meta.Name = string(value)
		case 3:
			meta.Namespace = string(value)
		case 5:
			meta.UID = types.UID(value)
		case 6:
			meta.ResourceVersion = string(value)
		case 8:
			return meta.CreationTimestamp.Unmarshal(value)
		case 9:
			meta.DeletionTimestamp = &metav1.Time{}
			return meta.DeletionTimestamp.Unmarshal(value)
		case 11:
			return labels.add(&meta.Labels, value)
		case 12:
			return annotations.add(&meta.Annotations, value)
		case 13:
			owner := metav1.OwnerReference{}
			if err := owner.Unmarshal(value); err != nil {
				return err
			}
			meta.OwnerReferences = append(meta.OwnerReferences, owner)
		}
		return nil
	})
}

// decodeList reads a list of any kind: its metadata, and the bytes of each item.
func decodeList(meta *metav1.ListMeta, message []byte, item func([]byte) error) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			return meta.Unmarshal(value)
		case 2:
			return item(value)
		}
		return nil
	})
}
