// Package rights holds what the roles of an installation allow against what its service accounts asked the API server
// for, as the server's audit log tells.
package rights

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Account is a service account.
type Account struct{ Namespace, Name string }

// Right is one verb on one resource that a role gives an account.
type Right struct {
	Account   Account
	Namespace string // where it holds; empty: everywhere
	Group     string
	Resource  string // with "/subresource"
	Name      string // of the only object it holds for; empty: any
	Verb      string
	Role      string
}

// Granted lists the rights that bindings give to accounts, each once, the narrower before the wider: a request is
// counted for the first that allows it, so that a wide right which narrower ones make needless shows as unused.
func Granted(accounts []Account, roles []rbacv1.Role, clusterRoles []rbacv1.ClusterRole,
	bindings []rbacv1.RoleBinding, clusterBindings []rbacv1.ClusterRoleBinding,
) []Right {
	var rights []Right
	add := func(subjects []rbacv1.Subject, namespace, role string, rules []rbacv1.PolicyRule) {
		for _, s := range subjects {
			account := Account{s.Namespace, s.Name}
			if s.Kind == rbacv1.ServiceAccountKind && slices.Contains(accounts, account) {
				rights = append(rights, expand(account, namespace, role, rules)...)
			}
		}
	}
	for _, binding := range bindings {
		add(binding.Subjects, binding.Namespace, binding.RoleRef.Name,
			rulesOf(binding.RoleRef, binding.Namespace, roles, clusterRoles))
	}
	for _, binding := range clusterBindings {
		add(binding.Subjects, "", binding.RoleRef.Name, rulesOf(binding.RoleRef, "", roles, clusterRoles))
	}
	slices.SortFunc(rights, func(a, b Right) int {
		return cmp.Or(cmp.Compare(a.Account.Name, b.Account.Name), wideFirst(b, a), cmp.Compare(a.Group, b.Group),
			cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Verb, b.Verb))
	})
	return slices.CompactFunc(rights, func(a, b Right) bool {
		a.Role = b.Role
		return a == b
	})
}

func wideFirst(a, b Right) int {
	width := func(r Right) int {
		switch {
		case r.Namespace == "":
			return 0
		case r.Name == "":
			return 1
		default:
			return 2
		}
	}
	return cmp.Compare(width(a), width(b))
}

func rulesOf(ref rbacv1.RoleRef, namespace string, roles []rbacv1.Role, clusterRoles []rbacv1.ClusterRole,
) []rbacv1.PolicyRule {
	if ref.Kind == "ClusterRole" {
		for _, role := range clusterRoles {
			if role.Name == ref.Name {
				return role.Rules
			}
		}
		return nil
	}
	for _, role := range roles {
		if role.Name == ref.Name && role.Namespace == namespace {
			return role.Rules
		}
	}
	return nil
}

func expand(account Account, namespace, role string, rules []rbacv1.PolicyRule) []Right {
	var rights []Right
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						rights = append(rights, Right{account, namespace, group, resource, name, verb, role})
					}
				}
			}
		}
	}
	return rights
}
