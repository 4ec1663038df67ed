package slim

import (
	"reflect"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/internal/childname"
)

var moment = metav1.NewTime(time.Unix(1_800_000_000, 0))

func objectMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: "benchy-1", Namespace: "prints", UID: "u", ResourceVersion: "7", Generation: 3,
		CreationTimestamp: moment, DeletionTimestamp: &moment, Finalizers: []string{"foregroundDeletion"},
		Labels: map[string]string{childname.LabelJob: "benchy", childname.LabelJobUID: "o", "team": "x"},
		Annotations: map[string]string{
			childname.AnnotationTimeout: "60", childname.AnnotationPendingTimeout: "5", childname.AnnotationRetries: "2", "note": "x",
		},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "K", Name: "n", UID: "o", Controller: ptr.To(true)}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "m", FieldsV1: &metav1.FieldsV1{}}},
	}
}

// keptMeta is what is left of objectMeta.
func keptMeta(labels, annotations map[string]string) metav1.ObjectMeta {
	kept := objectMeta()
	kept.Generation, kept.Finalizers, kept.ManagedFields = 0, nil, nil
	kept.Labels, kept.Annotations = labels, annotations
	return kept
}

func wholePod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: objectMeta(),
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "store", Image: "i", Env: []corev1.EnvVar{{Name: "A"}}}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodFailed, Message: "evicted", Reason: "Evicted", HostIP: "198.51.100.1",
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionFalse},
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "no node"},
			},
			InitContainerStatuses: []corev1.ContainerStatus{
				{Name: "fetch", Image: "agent", RestartCount: 1, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					ExitCode: 65, Reason: "Error", Message: "no", StartedAt: moment, FinishedAt: moment, ContainerID: "c",
				}}},
				{Name: "process", Image: "brick", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
					Reason: "ErrImagePull", Message: "gone",
				}}},
			},
			ContainerStatuses: []corev1.ContainerStatus{
				{Name: "store", Image: "agent", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: moment}}},
			},
		},
	}
}

func TestPodKeepsWhatIsRead(t *testing.T) {
	whole := wholePod()
	message, err := whole.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	pod := &Pod{}
	if err := pod.Unmarshal(message); err != nil {
		t.Fatal(err)
	}
	want := &corev1.Pod{
		ObjectMeta: keptMeta(map[string]string{childname.LabelJob: "benchy", childname.LabelJobUID: "o"}, nil),
		Status:     whole.Status,
	}
	want.Status.HostIP = ""
	want.Status.Conditions = whole.Status.Conditions[1:]
	want.Status.InitContainerStatuses[0].RestartCount = 0
	want.Status.InitContainerStatuses[0].State.Terminated.ContainerID = ""
	want.Status.InitContainerStatuses[0].Image = ""
	want.Status.ContainerStatuses[0].Image = ""
	if got := pod.Whole(); !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("kept\n%#v\nwant\n%#v", got, want)
	}
	if c := pod.DeepCopyObject(); !reflect.DeepEqual(c, pod) {
		t.Errorf("a copy is\n%#v\nof\n%#v", c, pod)
	}
}

func TestJobKeepsWhatIsRead(t *testing.T) {
	whole := &batchv1.Job{
		ObjectMeta: objectMeta(),
		Spec: batchv1.JobSpec{
			Suspend: ptr.To(true), Parallelism: ptr.To[int32](1),
			Template: corev1.PodTemplateSpec{Spec: wholePod().Spec},
		},
		Status: batchv1.JobStatus{
			Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "r", Message: "m",
				LastTransitionTime: moment}},
			StartTime: &moment, Failed: 1,
		},
	}
	message, err := whole.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	job := &Job{}
	if err := job.Unmarshal(message); err != nil {
		t.Fatal(err)
	}
	want := &batchv1.Job{
		ObjectMeta: keptMeta(nil, map[string]string{
			childname.AnnotationTimeout: "60", childname.AnnotationPendingTimeout: "5", childname.AnnotationRetries: "2",
		}),
		Spec:   batchv1.JobSpec{Suspend: ptr.To(true)},
		Status: batchv1.JobStatus{Conditions: whole.Status.Conditions, StartTime: &moment},
	}
	if got := job.Whole(); !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("kept\n%#v\nwant\n%#v", got, want)
	}
	if c := job.DeepCopyObject(); !reflect.DeepEqual(c, job) {
		t.Errorf("a copy is\n%#v\nof\n%#v", c, job)
	}
}

func TestLists(t *testing.T) {
	pods := corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: "c"}, Items: []corev1.Pod{*wholePod(), *wholePod()}}
	message, err := pods.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	list := &PodList{}
	if err := list.Unmarshal(message); err != nil {
		t.Fatal(err)
	}
	if list.ResourceVersion != "9" || list.Continue != "c" || len(list.Items) != 2 || list.Items[1].Name != "benchy-1" {
		t.Errorf("got %#v", list)
	}
	if c := list.DeepCopyObject(); !reflect.DeepEqual(c, list) {
		t.Errorf("a copy is\n%#v\nof\n%#v", c, list)
	}
}

func TestBrokenMessages(t *testing.T) {
	message, err := wholePod().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range [][]byte{message[:len(message)-1], {0x0a, 0x05, 0x0a}, {0xff}} {
		if (&Pod{}).Unmarshal(broken) == nil || (&Job{}).Unmarshal(broken) == nil {
			t.Errorf("a message of %d bytes that ends too early was read", len(broken))
		}
	}
}

func decodePod(t *testing.T, whole *corev1.Pod) *Pod {
	t.Helper()
	message, err := whole.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	pod := &Pod{}
	if err := pod.Unmarshal(message); err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestSamePod(t *testing.T) {
	before := decodePod(t, wholePod())
	for name, c := range map[string]struct {
		change func(*corev1.Pod)
		same   bool
	}{
		"a new version":         {func(p *corev1.Pod) { p.ResourceVersion = "8" }, true},
		"an address":            {func(p *corev1.Pod) { p.Status.PodIP = "198.51.100.2" }, true},
		"a condition of others": {func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionTrue }, true},
		"the phase":             {func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }, false},
		"why it waits":          {func(p *corev1.Pod) { p.Status.InitContainerStatuses[1].State.Waiting.Message = "no" }, false},
		"an exit code":          {func(p *corev1.Pod) { p.Status.InitContainerStatuses[0].State.Terminated.ExitCode = 1 }, false},
		"that it is scheduled":  {func(p *corev1.Pod) { p.Status.Conditions = p.Status.Conditions[:1] }, false},
		"that it is deleted":    {func(p *corev1.Pod) { p.DeletionTimestamp = nil }, false},
	} {
		after := wholePod()
		c.change(after)
		if same := decodePod(t, after).Same(before); same != c.same {
			t.Errorf("%s: same is %v", name, same)
		}
	}
}

func TestSameJob(t *testing.T) {
	before := &Job{ObjectMeta: objectMeta(), Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Reason: "r"}}}
	after := before.DeepCopyObject().(*Job)
	if after.ResourceVersion = "8"; !after.Same(before) {
		t.Error("a new version alone is a difference")
	}
	if after.Suspend = true; after.Same(before) {
		t.Error("that it is suspended is no difference")
	}
	after.Suspend, after.Conditions = false, []batchv1.JobCondition{{Type: batchv1.JobComplete, Reason: "r"}}
	if after.Same(before) {
		t.Error("another condition is no difference")
	}
}
