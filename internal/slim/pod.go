package slim

import (
	"reflect"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Pod is a pod of an attempt.
type Pod struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Phase           corev1.PodPhase
	Message, Reason string
	Unschedulable   *corev1.PodCondition // nil unless the pod's condition PodScheduled is false
	Init, Main      []containerStatus
}

// containerStatus is a corev1.ContainerStatus of a tenth of the size.
type containerStatus struct {
	name, image string
	state       corev1.ContainerState
}

// Whole is the pod as the API knows it, with what is kept of it.
func (p *Pod) Whole() *corev1.Pod {
	whole := &corev1.Pod{ObjectMeta: p.ObjectMeta, Status: corev1.PodStatus{
		Phase: p.Phase, Message: p.Message, Reason: p.Reason,
		InitContainerStatuses: wholeStatuses(p.Init), ContainerStatuses: wholeStatuses(p.Main),
	}}
	if p.Unschedulable != nil {
		whole.Status.Conditions = []corev1.PodCondition{*p.Unschedulable}
	}
	return whole
}

// Same tells whether nothing that is kept differs but the version.
func (p *Pod) Same(other *Pod) bool {
	versioned := *other
	versioned.ResourceVersion = p.ResourceVersion
	return reflect.DeepEqual(p, &versioned)
}

func wholeStatuses(of []containerStatus) []corev1.ContainerStatus {
	statuses := make([]corev1.ContainerStatus, len(of))
	for i, s := range of {
		statuses[i] = corev1.ContainerStatus{Name: s.name, Image: s.image, State: s.state}
	}
	return statuses
}

// Reset empties the pod, as a decoder does first.
func (p *Pod) Reset() { *p = Pod{} }

// Unmarshal reads the pod from its protobuf message.
func (p *Pod) Unmarshal(message []byte) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			return decodeMeta(&p.ObjectMeta, value, podLabels, podAnnotations)
		case 3:
			return p.decodeStatus(value)
		}
		return nil
	})
}

func (p *Pod) decodeStatus(message []byte) error {
	return fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			p.Phase = corev1.PodPhase(value)
		case 2:
			return p.decodeCondition(value)
		case 3:
			p.Message = string(value)
		case 4:
			p.Reason = string(value)
		case 8:
			return decodeContainer(&p.Main, value)
		case 10:
			return decodeContainer(&p.Init, value)
		}
		return nil
	})
}

func (p *Pod) decodeCondition(message []byte) error {
	condition := corev1.PodCondition{}
	if err := condition.Unmarshal(message); err != nil {
		return err
	}
	if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
		p.Unschedulable = &condition
	}
	return nil
}

func decodeContainer(into *[]containerStatus, message []byte) error {
	status := containerStatus{}
	err := fields(message, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			status.name = string(value)
		case 2:
			return status.state.Unmarshal(value)
		case 6:
			status.image = string(value)
		}
		return nil
	})
	if status.state.Waiting == nil {
		status.image = "" // it is named where it cannot be pulled
	}
	if ended := status.state.Terminated; ended != nil {
		ended.ContainerID = ""
	}
	*into = append(*into, status)
	return err
}

// DeepCopyObject makes the pod a runtime.Object.
func (p *Pod) DeepCopyObject() runtime.Object {
	c := *p
	p.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	c.Unschedulable = p.Unschedulable.DeepCopy()
	c.Init, c.Main = copyStatuses(p.Init), copyStatuses(p.Main)
	return &c
}

func copyStatuses(of []containerStatus) []containerStatus {
	c := slices.Clone(of)
	for i := range c {
		c[i].state = *of[i].state.DeepCopy()
	}
	return c
}

// PodList is a list of them.
type PodList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []Pod
}

// Reset empties the list, as a decoder does first.
func (l *PodList) Reset() { *l = PodList{} }

// Unmarshal reads the list from its protobuf message.
func (l *PodList) Unmarshal(message []byte) error {
	return decodeList(&l.ListMeta, message, func(item []byte) error {
		l.Items = append(l.Items, Pod{})
		return l.Items[len(l.Items)-1].Unmarshal(item)
	})
}

// DeepCopyObject makes the list a runtime.Object.
func (l *PodList) DeepCopyObject() runtime.Object {
	c := *l
	l.ListMeta.DeepCopyInto(&c.ListMeta)
	c.Items = make([]Pod, len(l.Items))
	for i := range l.Items {
		c.Items[i] = *l.Items[i].DeepCopyObject().(*Pod)
	}
	return &c
}
