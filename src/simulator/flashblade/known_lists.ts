import { type KnownLists, knownLists } from "../known_lists.ts";

/**
 * What a FlashBlade answers a GET of with a list, by the first REST 2.N whose OpenAPI file has it;
 * the oldest of the files, FB 2.12, counts as 0. Made from those files; a contract test holds the answers
 * against them.
 */
export const KNOWN_LISTS: KnownLists = knownLists({
  0: `
    active-directory admins admins/api-tokens admins/cache admins/settings alert-watchers alerts
    array-connections array-connections/connection-key array-connections/path
    array-connections/performance/replication arrays arrays/clients/performance arrays/eula
    arrays/factory-reset-token arrays/http-specific-performance arrays/nfs-specific-performance
    arrays/performance arrays/performance/replication arrays/s3-specific-performance arrays/space
    arrays/supported-time-zones audits blades bucket-replica-links buckets
    buckets/bucket-access-policies buckets/bucket-access-policies/rules
    buckets/cross-origin-resource-sharing-policies
    buckets/cross-origin-resource-sharing-policies/rules buckets/performance
    buckets/s3-specific-performance certificate-groups certificate-groups/certificates
    certificate-groups/uses certificates certificates/certificate-groups certificates/uses
    directory-services directory-services/roles dns drives file-system-replica-links
    file-system-replica-links/policies file-system-replica-links/transfer file-system-snapshots
    file-system-snapshots/policies file-system-snapshots/transfer file-systems file-systems/locks
    file-systems/locks/clients file-systems/performance file-systems/policies
    file-systems/policies-all file-systems/sessions hardware hardware-connectors
    hardware-connectors/performance keytabs lifecycle-rules link-aggregation-groups logs-async
    network-interfaces network-interfaces/ping network-interfaces/trace nfs-export-policies
    nfs-export-policies/rules object-store-access-keys object-store-access-policies
    object-store-access-policies/object-store-users object-store-access-policies/rules
    object-store-access-policy-actions object-store-accounts object-store-remote-credentials
    object-store-users object-store-users/object-store-access-policies object-store-virtual-hosts
    policies policies-all policies-all/members policies/file-system-replica-links
    policies/file-system-snapshots policies/file-systems policies/members quotas/groups
    quotas/settings quotas/users roles sessions smb-client-policies smb-client-policies/rules
    smb-share-policies smb-share-policies/rules smtp-servers snmp-agents snmp-managers subnets
    support support/verification-keys syslog-servers syslog-servers/settings targets
    targets/performance/replication usage/groups usage/users
  `,
  28: `
    admins/management-access-policies admins/management-authentication-policies
    admins/ssh-certificate-authority-policies arrays/clients/s3-specific-performance
    arrays/management-authentication-policies arrays/space/storage-classes
    arrays/ssh-certificate-authority-policies audit-file-systems-policies
    audit-file-systems-policies/members audit-file-systems-policy-operations
    audit-object-store-policies audit-object-store-policies/members bucket-audit-filter-actions
    buckets/audit-filters data-eviction-policies directory-services/local/directory-services
    directory-services/local/groups directory-services/local/groups/members
    directory-services/local/users directory-services/local/users/members
    directory-services/roles/management-access-policies file-system-exports file-system-junctions
    file-systems/audit-policies file-systems/open-files file-systems/space/storage-classes
    file-systems/worm-data-policies fleets fleets/fleet-key fleets/members legal-holds
    legal-holds/held-entities log-targets/file-systems log-targets/object-store
    maintenance-windows management-access-policies management-access-policies/admins
    management-access-policies/directory-services/roles management-access-policies/members
    management-access-policies/roles management-access-policies/roles/permissions
    management-access-policies/roles/permissions/supported-resources
    management-access-policies/rules management-authentication-policies
    management-authentication-policies/members network-access-policies
    network-access-policies/members network-access-policies/rules network-interfaces/connectors
    network-interfaces/connectors/performance network-interfaces/connectors/settings
    network-interfaces/neighbors network-interfaces/tls-policies node-groups node-groups/nodes
    node-groups/uses nodes object-store-access-policies/object-store-roles
    object-store-account-exports object-store-roles
    object-store-roles/object-store-access-policies object-store-roles/object-store-trust-policies
    object-store-roles/object-store-trust-policies/rules password-policies presets/workload
    public-keys public-keys/uses qos-policies qos-policies/buckets qos-policies/file-systems
    qos-policies/members realm-connections realm-connections/connection-key realms realms/defaults
    realms/space realms/space/storage-classes remote-arrays remote-realms resiliency-groups
    resiliency-groups/members resource-accesses s3-export-policies s3-export-policies/rules
    servers software-bundle software-check software-patches ssh-certificate-authority-policies
    ssh-certificate-authority-policies/admins ssh-certificate-authority-policies/arrays
    ssh-certificate-authority-policies/members sso/oidc/idps sso/saml2/idps
    storage-class-tiering-policies storage-class-tiering-policies/members storage-classes/members
    support-diagnostics support-diagnostics/details support-diagnostics/settings
    support/system-manifest tls-policies tls-policies/members tls-policies/network-interfaces
    topology-groups topology-groups/arrays topology-groups/members workloads
    workloads/placement-recommendations workloads/tags worm-data-policies
    worm-data-policies/members
  `,
});
