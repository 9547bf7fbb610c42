import { type KnownLists, knownLists } from "../known_lists.ts";

/**
 * What a FlashArray answers a GET of with a list, by the first REST 2.N that has it. The lists are
 * those of the OpenAPI files of 2.16, 2.26 and 2.56, the versions those of the clients in the
 * vendor's SDK (py-pure-client 1.90.0 has one for each). Contract tests hold the answers against
 * both.
 */
export const KNOWN_LISTS: KnownLists = knownLists({
  0: `
    connections host-groups host-groups/hosts host-groups/performance
    host-groups/performance/by-array hosts hosts/host-groups hosts/performance
    hosts/performance/by-array volume-snapshots volume-snapshots/transfer volumes
    volumes/performance volumes/performance/by-array volumes/space
  `,
  1: `
    api-clients host-groups/protection-groups host-groups/space hosts/protection-groups
    hosts/space offloads pods pods/arrays pods/performance pods/performance/by-array pods/space
    protection-group-snapshots protection-group-snapshots/transfer protection-groups
    protection-groups/host-groups protection-groups/hosts
    protection-groups/performance/replication protection-groups/performance/replication/by-array
    protection-groups/space protection-groups/targets protection-groups/volumes remote-pods
    remote-protection-group-snapshots remote-protection-group-snapshots/transfer
    remote-protection-groups remote-volume-snapshots remote-volume-snapshots/transfer
    volume-groups volume-groups/performance volume-groups/space volume-groups/volumes
    volumes/protection-groups volumes/volume-groups
  `,
  2: `
    admins admins/api-tokens admins/cache alerts alerts/events apps apps/nodes arrays arrays/eula
    arrays/ntp-test arrays/performance arrays/space audits controllers directory-services
    directory-services/roles directory-services/test dns hardware kmip kmip/test
    maintenance-windows pod-replica-links pod-replica-links/lag
    pod-replica-links/performance/replication pods/performance/replication
    pods/performance/replication/by-array ports ports/initiators smi-s software
    software-installation-steps software-installations subnets support support/test
    volume-snapshots/tags volumes/tags
  `,
  3: `
    active-directory directories directories/performance directories/policies
    directories/policies/nfs directories/policies/smb directories/policies/snapshot
    directories/space directory-exports directory-snapshots file-systems policies policies/members
    policies/nfs policies/nfs/client-rules policies/nfs/members policies/smb
    policies/smb/client-rules policies/smb/members policies/snapshot policies/snapshot/members
    policies/snapshot/rules
  `,
  4: `
    alert-watchers array-connections array-connections/connection-key array-connections/path
    arrays/factory-reset-token certificates drives hosts/performance/balance network-interfaces
    network-interfaces/performance sessions smtp-servers snmp-agents snmp-agents/mib snmp-managers
    syslog-servers syslog-servers/settings
  `,
  5: `software-bundle`,
  6: `arrays/cloud-provider-tags`,
  7: `
    directories/policies/quota directory-quotas policies/quota policies/quota/members
    policies/quota/rules
  `,
  9: `software-check software-versions`,
  11: `sso/saml2/idps sso/saml2/idps/test`,
  14: `virtual-machine-snapshots virtual-machines`,
  16: `container-default-protections network-interfaces/port-details`,
  17: `software-patches software-patches/catalog`,
  19: `arrays/performance/by-link`,
  21: `
    directory-services/local/groups directory-services/local/groups/members
    directory-services/local/users directory-services/local/users/members
  `,
  22: `network-interfaces/neighbors`,
  23: `alerts/rules alerts/rules/catalog`,
  24: `directories/policies/autodir policies/autodir policies/autodir/members`,
  26: `
    subscription-assets subscriptions vchosts vchosts/certificates vchosts/endpoints
  `,
  29: `arrays/cloud-capacity arrays/cloud-capacity/supported-steps`,
  32: `pod-replica-links/mappings/policies`,
  33: `
    policies/alert-watcher policies/alert-watcher/members policies/alert-watcher/rules
    vchost-connections
  `,
  34: `arrays/erasures arrays/tags host-groups/tags hosts/tags policies/password`,
  35: `
    directories/policies/audit-file log-targets log-targets/file log-targets/syslog
    log-targets/syslog/settings policies/audit-file policies/audit-file/members
    virtual-machine-volume-snapshots
  `,
  36: `
    admins/policies/management-access certificate-groups certificate-groups/certificates
    certificates/certificate-groups directory-services/roles/policies/management-access fleets
    fleets/fleet-key fleets/members pods/members policies/management-access
    policies/management-access/members realms realms/performance realms/space remote-arrays
    support-diagnostics/details support-diagnostics/settings
  `,
  39: `pods/tags protection-groups/tags volume-groups/tags`,
  40: `
    arrays/cloud-config arrays/cloud-config/supported-configs resource-accesses
    resource-accesses/status workloads/placement-recommendations workloads/tags
  `,
  41: `
    certificate-groups/uses certificates/uses realms/tags support/remote-assist-sessions
    support/remote-assist-sessions/settings
  `,
  44: `
    directories/groups directories/policies/user-group-quota directories/users
    directory-group-quotas directory-services/local/directory-services directory-user-quotas
    policies/user-group-quota policies/user-group-quota/members policies/user-group-quota/rules
    protection-group-snapshots/tags servers
  `,
  48: `remote-pods/tags`,
  49: `realms/qos volume-groups/qos volumes/qos`,
  50: `
    host-groups/qos hosts/qos realm-connections realm-connections/connection-keys remote-realms
    remote-realms/tags
  `,
  51: `
    buckets lifecycle-rules object-store-access-keys object-store-accounts object-store-users
    object-store-users/policies/object-store-access object-store-virtual-hosts
    policies/object-store-access policies/object-store-access/members
    policies/object-store-access/rules support/system-manifest
  `,
  52: `
    active-directory/test buckets/performance buckets/space object-store-accounts/space
    pod-replica-links/performance/replication/by-array policies/network-access
    policies/network-access/members policies/network-access/rules
  `,
  54: `
    directories/policies/qos directories/qos policies/qos policies/qos/members policies/tls
    policies/tls/members servers/policies/tls topology-groups topology-groups/arrays
    topology-groups/members
  `,
  55: `
    data-sealing-keys data-sealing-keys/test directories/performance/by-array realms/members
  `,
  56: `storage-classes/members`,
});
