package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"

	"bricklayers.dev/bricklayers/test/rights"
)

var (
	manager = rights.Account{Namespace: namespace, Name: "bricklayers-manager"}
	gateway = rights.Account{Namespace: namespace, Name: "bricklayers-gateway"}
	jobPods = rights.Account{Namespace: namespace, Name: "bricklayers-job"}
)

// unusedRights may stay although the tests cannot bring about what they are for.
var unusedRights = []rights.Exemption{
	{Account: manager.Name, Resource: "events", Verb: "patch",
		Reason: "client-go makes a series of an event that is sent twice, which takes a lost race"},
}

// checkRights holds what the roles of the release allow against what its service accounts asked for in the whole run,
// as the API server's audit log tells. Nothing may have been denied; and after all tests, nothing allowed may be unused.
func checkRights() error {
	granted, err := grantedRights(context.Background())
	if err != nil {
		return err
	}
	requests, err := cluster.AuditLog()
	if err != nil {
		return err
	}
	c := rights.Compare(granted, requests, unusedRights)
	fmt.Print(c.String())
	var errs []error
	for _, request := range c.Denied {
		errs = append(errs, fmt.Errorf("%s was denied %s %s: %s", request.Account.Name, request.Verb, request.URI, request.Reason))
	}
	if everyTestRan() {
		for _, right := range c.Unused() {
			errs = append(errs, fmt.Errorf("nothing used the right: %v; take it away, or test what it is for", right))
		}
	}
	return errors.Join(errs...)
}

// everyTestRan tells whether the tests were not narrowed down.
func everyTestRan() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return true
}

func grantedRights(ctx context.Context) ([]rights.Right, error) {
	var roles rbacv1.RoleList
	var clusterRoles rbacv1.ClusterRoleList
	var bindings rbacv1.RoleBindingList
	var clusterBindings rbacv1.ClusterRoleBindingList
	err := errors.Join(kube.List(ctx, &roles), kube.List(ctx, &clusterRoles), kube.List(ctx, &bindings),
		kube.List(ctx, &clusterBindings))
	return rights.Granted([]rights.Account{manager, gateway, jobPods}, roles.Items, clusterRoles.Items, bindings.Items,
		clusterBindings.Items), err
}
