package controllers

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
)

// ownerOfChild tells whose a Job is. The library's handler for owners asks the RESTMapper at each event, which was an
// eighth of all that the manager allocated.
func ownerOfChild(_ context.Context, o client.Object) []reconcile.Request {
	owner := metav1.GetControllerOfNoCopy(o)
	if owner == nil || owner.APIVersion != v1alpha1.GroupVersion.String() || owner.Kind != "ProcessingJob" {
		return nil
	}
	return request(o.GetNamespace(), owner.Name)
}

// podsByOwner is the index of pods by the UID of their ProcessingJob.
const podsByOwner = "bricklayers.owner"

func indexPodByOwner(o client.Object) []string {
	return []string{o.GetLabels()[childname.LabelJobUID]}
}

func jobOfPod(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetLabels()[childname.LabelJob]
	if name == "" {
		return nil
	}
	return request(o.GetNamespace(), name)
}

func request(namespace, name string) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// same is an object that can tell whether another version of it differs in anything that is kept.
type same[T any] interface {
	client.Object
	Same(other T) bool
}

// changed drops the updates in which nothing changed that a decision reads: about every second of a Job and its pod, such
// as that an address was given or a pod was counted.
func changed[T same[T]]() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, known := e.ObjectOld.(T)
		after, ok := e.ObjectNew.(T)
		return !known || !ok || !after.Same(before)
	}}
}
