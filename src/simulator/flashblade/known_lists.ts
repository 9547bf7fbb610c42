import { type KnownLists, knownLists } from "../known_lists.ts";

/**
 * What a FlashBlade answers a GET of with a list, by the first REST 2.N that has it. The lists are
 * those of the OpenAPI files of 2.12 and 2.28, the versions those of the clients in the vendor's
 * SDK (py-pure-client 1.90.0 has one for each up to 2.27). Contract tests hold the answers against
 * both.
 */
export const KNOWN_LISTS: KnownLists = knownLists({
  0: `
    active-directory admins admins/api-tokens admins/cache alert-watchers alerts array-connections
    array-connections/connection-key array-connections/path
    array-connections/performance/replication arrays arrays/clients/performance arrays/eula
    arrays/http-specific-performance arrays/nfs-specific-performance arrays/performance
    arrays/performance/replication arrays/s3-specific-performance arrays/space
    arrays/supported-time-zones audits blades bucket-replica-links buckets buckets/performance
    buckets/s3-specific-performance certificate-groups certificate-groups/certificates
    certificate-groups/uses certificates certificates/certificate-groups certificates/uses
    directory-services directory-services/roles dns file-system-replica-links
    file-system-replica-links/policies file-system-replica-links/transfer file-system-snapshots
    file-system-snapshots/policies file-system-snapshots/transfer file-systems
    file-systems/performance file-systems/policies hardware hardware-connectors keytabs
    lifecycle-rules link-aggregation-groups network-interfaces object-store-access-keys
    object-store-access-policies object-store-access-policies/object-store-users
    object-store-accounts object-store-remote-credentials object-store-users
    object-store-users/object-store-access-policies object-store-virtual-hosts policies
    policies/file-system-replica-links policies/file-system-snapshots policies/file-systems
    policies/members quotas/groups quotas/settings quotas/users roles smtp-servers snmp-agents
    snmp-managers subnets support syslog-servers syslog-servers/settings targets
    targets/performance/replication usage/groups usage/users
  `,
  1: `arrays/factory-reset-token`,
  2: `
    object-store-access-policies/rules object-store-access-policy-actions policies-all
    policies-all/members
  `,
  3: `
    admins/settings file-systems/policies-all hardware-connectors/performance nfs-export-policies
    nfs-export-policies/rules sessions
  `,
  4: `drives logs-async`,
  6: `network-interfaces/ping network-interfaces/trace`,
  7: `support/verification-keys`,
  8: `file-systems/locks file-systems/locks/clients`,
  10: `
    file-systems/sessions smb-client-policies smb-client-policies/rules smb-share-policies
    smb-share-policies/rules
  `,
  12: `
    buckets/bucket-access-policies buckets/bucket-access-policies/rules
    buckets/cross-origin-resource-sharing-policies
    buckets/cross-origin-resource-sharing-policies/rules
  `,
  13: `
    network-access-policies network-access-policies/members network-access-policies/rules
  `,
  14: `
    admins/ssh-certificate-authority-policies arrays/ssh-certificate-authority-policies
    audit-file-systems-policies audit-file-systems-policies/members file-systems/audit-policies
    public-keys public-keys/uses ssh-certificate-authority-policies
    ssh-certificate-authority-policies/admins ssh-certificate-authority-policies/arrays
    ssh-certificate-authority-policies/members
  `,
  15: `
    file-systems/worm-data-policies sso/saml2/idps worm-data-policies worm-data-policies/members
  `,
  16: `
    arrays/space/storage-classes file-system-exports maintenance-windows password-policies servers
    software-check support-diagnostics support-diagnostics/details
  `,
  17: `
    file-systems/open-files fleets fleets/fleet-key fleets/members legal-holds
    legal-holds/held-entities network-interfaces/connectors
    network-interfaces/connectors/performance network-interfaces/connectors/settings
    network-interfaces/tls-policies object-store-access-policies/object-store-roles
    object-store-roles object-store-roles/object-store-access-policies
    object-store-roles/object-store-trust-policies
    object-store-roles/object-store-trust-policies/rules qos-policies qos-policies/file-systems
    qos-policies/members remote-arrays sso/oidc/idps tls-policies tls-policies/members
    tls-policies/network-interfaces
  `,
  18: `
    arrays/clients/s3-specific-performance audit-file-systems-policy-operations
    file-systems/space/storage-classes node-groups node-groups/nodes node-groups/uses nodes
    storage-class-tiering-policies storage-class-tiering-policies/members
  `,
  19: `
    admins/management-access-policies directory-services/roles/management-access-policies
    management-access-policies management-access-policies/admins
    management-access-policies/directory-services/roles management-access-policies/members
    qos-policies/buckets realms realms/space realms/space/storage-classes resource-accesses
  `,
  20: `
    audit-object-store-policies audit-object-store-policies/members bucket-audit-filter-actions
    buckets/audit-filters log-targets/file-systems log-targets/object-store
    network-interfaces/neighbors object-store-account-exports realms/defaults s3-export-policies
    s3-export-policies/rules
  `,
  21: `data-eviction-policies`,
  22: `
    admins/management-authentication-policies arrays/management-authentication-policies
    management-authentication-policies management-authentication-policies/members
  `,
  23: `
    presets/workload resiliency-groups resiliency-groups/members workloads
    workloads/placement-recommendations workloads/tags
  `,
  24: `
    directory-services/local/directory-services directory-services/local/groups
    directory-services/local/groups/members directory-services/local/users
    directory-services/local/users/members software-bundle software-patches
    support-diagnostics/settings
  `,
  25: `
    file-system-junctions realm-connections realm-connections/connection-key remote-realms
  `,
  26: `
    management-access-policies/roles management-access-policies/roles/permissions
    management-access-policies/roles/permissions/supported-resources
    management-access-policies/rules support/system-manifest topology-groups
    topology-groups/arrays topology-groups/members
  `,
  27: `storage-classes/members`,
});
