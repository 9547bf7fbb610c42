import { type KnownLists, knownLists } from "../known_lists.ts";

/**
 * What a FlashArray answers a GET of with a list, by the first REST 2.N whose OpenAPI file has it;
 * the oldest of the files, FA 2.16, counts as 0. Made from those files; a contract test holds the answers
 * against them.
 * Without volumes/diff: an empty list there would say that two volumes are alike.
 */
export const KNOWN_LISTS: KnownLists = knownLists({
  0: `
    active-directory admins admins/api-tokens admins/cache alert-watchers alerts alerts/events
    api-clients apps apps/nodes array-connections array-connections/connection-key
    array-connections/path arrays arrays/cloud-provider-tags arrays/eula
    arrays/factory-reset-token arrays/ntp-test arrays/performance arrays/space audits certificates
    connections container-default-protections controllers directories directories/performance
    directories/policies directories/policies/nfs directories/policies/quota
    directories/policies/smb directories/policies/snapshot directories/space directory-exports
    directory-quotas directory-services directory-services/roles directory-services/test
    directory-snapshots dns drives file-systems hardware host-groups host-groups/hosts
    host-groups/performance host-groups/performance/by-array host-groups/protection-groups
    host-groups/space hosts hosts/host-groups hosts/performance hosts/performance/balance
    hosts/performance/by-array hosts/protection-groups hosts/space kmip kmip/test
    maintenance-windows network-interfaces network-interfaces/performance
    network-interfaces/port-details offloads pod-replica-links pod-replica-links/lag
    pod-replica-links/performance/replication pods pods/arrays pods/performance
    pods/performance/by-array pods/performance/replication pods/performance/replication/by-array
    pods/space policies policies/members policies/nfs policies/nfs/client-rules
    policies/nfs/members policies/quota policies/quota/members policies/quota/rules policies/smb
    policies/smb/client-rules policies/smb/members policies/snapshot policies/snapshot/members
    policies/snapshot/rules ports ports/initiators protection-group-snapshots
    protection-group-snapshots/transfer protection-groups protection-groups/host-groups
    protection-groups/hosts protection-groups/performance/replication
    protection-groups/performance/replication/by-array protection-groups/space
    protection-groups/targets protection-groups/volumes remote-pods
    remote-protection-group-snapshots remote-protection-group-snapshots/transfer
    remote-protection-groups remote-volume-snapshots remote-volume-snapshots/transfer sessions
    smi-s smtp-servers snmp-agents snmp-agents/mib snmp-managers software software-bundle
    software-check software-installation-steps software-installations software-versions
    sso/saml2/idps sso/saml2/idps/test subnets support support/test syslog-servers
    syslog-servers/settings virtual-machine-snapshots virtual-machines volume-groups
    volume-groups/performance volume-groups/space volume-groups/volumes volume-snapshots
    volume-snapshots/tags volume-snapshots/transfer volumes volumes/performance
    volumes/performance/by-array volumes/protection-groups volumes/space volumes/tags
    volumes/volume-groups
  `,
  26: `
    alerts/rules alerts/rules/catalog arrays/performance/by-link directories/policies/autodir
    directory-services/local/groups directory-services/local/groups/members
    directory-services/local/users directory-services/local/users/members
    network-interfaces/neighbors policies/autodir policies/autodir/members software-patches
    software-patches/catalog subscription-assets subscriptions vchosts vchosts/certificates
    vchosts/endpoints
  `,
  56: `
    active-directory/test admins/policies/management-access arrays/cloud-capacity
    arrays/cloud-capacity/supported-steps arrays/cloud-config
    arrays/cloud-config/supported-configs arrays/erasures arrays/tags buckets buckets/performance
    buckets/space certificate-groups certificate-groups/certificates certificate-groups/uses
    certificates/certificate-groups certificates/uses data-sealing-keys data-sealing-keys/test
    directories/groups directories/performance/by-array directories/policies/audit-file
    directories/policies/qos directories/policies/user-group-quota directories/qos
    directories/users directory-group-quotas directory-services/local/directory-services
    directory-services/roles/policies/management-access directory-user-quotas fleets
    fleets/fleet-key fleets/members host-groups/qos host-groups/tags hosts/qos hosts/tags
    lifecycle-rules log-targets log-targets/file log-targets/syslog log-targets/syslog/settings
    object-store-access-keys object-store-accounts object-store-accounts/space object-store-users
    object-store-users/policies/object-store-access object-store-virtual-hosts
    pod-replica-links/mappings/policies pod-replica-links/performance/replication/by-array
    pods/members pods/tags policies/alert-watcher policies/alert-watcher/members
    policies/alert-watcher/rules policies/audit-file policies/audit-file/members
    policies/management-access policies/management-access/members policies/network-access
    policies/network-access/members policies/network-access/rules policies/object-store-access
    policies/object-store-access/members policies/object-store-access/rules policies/password
    policies/qos policies/qos/members policies/tls policies/tls/members policies/user-group-quota
    policies/user-group-quota/members policies/user-group-quota/rules
    protection-group-snapshots/tags protection-groups/tags realm-connections
    realm-connections/connection-keys realms realms/members realms/performance realms/qos
    realms/space realms/tags remote-arrays remote-pods/tags remote-realms remote-realms/tags
    resource-accesses resource-accesses/status servers servers/policies/tls
    storage-classes/members support-diagnostics/details support-diagnostics/settings
    support/remote-assist-sessions support/remote-assist-sessions/settings support/system-manifest
    topology-groups topology-groups/arrays topology-groups/members vchost-connections
    virtual-machine-volume-snapshots volume-groups/qos volume-groups/tags volumes/qos
    workloads/placement-recommendations workloads/tags
  `,
});
