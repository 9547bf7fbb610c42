"""The vendor's own SDK against a simulated FlashBlade: see client.py for the arguments."""

from client import (
    VERSION, done, every_list_is_read, finished, items, login, login_with_wrong_token_fails, one, passed, refused,
)
from pypureclient import PureError, flashblade
from pypureclient.flashblade import (
    FileSystemPatch, FileSystemPost, FileSystemSnapshot, FileSystemSnapshotPost, Nfs, NfsExportPolicy, NfsExportPolicyRule, NfsPatch, Reference,
)

GIB = 1 << 30


def nfs(rules):
    return Nfs(v3_enabled=True, v4_1_enabled=True, rules=rules)


login_with_wrong_token_fails(flashblade.Client)
passed("a wrong token is refused at login")

array, rest = login(flashblade.Client)
minor = int(rest.split(".")[1])
can_clone = minor >= 25
passed(f"login, REST {rest}")

info = one(array.get_arrays())
assert info.os == "Purity//FB" and info.id and info.name, info
passed("arrays")

space = one(array.get_arrays_space(type="file-system"))
assert space.capacity > 0 and space.space.total_physical >= 0, space
passed("space of the array")

load = one(array.get_arrays_performance(protocol="NFS"))
assert load.reads_per_sec >= 0 and load.usec_per_write_op >= 0 and load.time > 0, load
passed("performance of the array")

interfaces = items(array.get_network_interfaces())
data = [interface for interface in interfaces if "data" in interface.services and interface.enabled]
assert data and data[0].address and data[0].type == "vip", interfaces
subnets = {subnet.name: subnet for subnet in items(array.get_subnets())}
# The SDK leaves this reference as it came.
assert data[0].subnet["name"] in subnets, (data[0], subnets)
passed("network interfaces, with a data VIP in a subnet")

made = one(array.post_file_systems(
    names=["sdk-1"], file_system=FileSystemPost(provisioned=GIB, hard_limit_enabled=True, nfs=nfs("192.0.2.1(rw,no_root_squash)")),
))
assert made.name == "sdk-1" and made.provisioned == GIB and made.hard_limit_enabled and not made.destroyed, made
assert made.nfs.rules == "192.0.2.1(rw,no_root_squash)" and made.nfs.v3_enabled and made.nfs.v4_1_enabled, made.nfs
passed("file system created")

found = one(array.get_file_systems(names=["sdk-1"]))
assert found.id == made.id and found.created == made.created and found.time_remaining is None, found
assert found.space.virtual == 0 and found.source.name is None, found
passed("file system read back")

refused(array.post_file_systems(names=["sdk-1"], file_system=FileSystemPost(provisioned=GIB)), 400, "already exists", "sdk-1")
refused(array.get_file_systems(names=["sdk-none"]), 400, "does not exist", "sdk-none")
assert items(array.get_file_systems(filter="name='sdk-none'")) == []
passed("errors of file systems")

grown = one(array.patch_file_systems(names=["sdk-1"], file_system=FileSystemPatch(provisioned=2 * GIB)))
assert grown.provisioned == 2 * GIB, grown
opened = one(array.patch_file_systems(names=["sdk-1"], file_system=FileSystemPatch(nfs=NfsPatch(rules=""))))
assert opened.nfs.rules == "" and opened.nfs.v3_enabled, opened.nfs
passed("file system grown, its access changed")

snapshot = one(array.post_file_system_snapshots(source_names=["sdk-1"], file_system_snapshot=FileSystemSnapshotPost(suffix="snapshot-1")))
assert snapshot.name == "sdk-1.snapshot-1" and snapshot.source.name == "sdk-1" and snapshot.owner.name == "sdk-1", snapshot
assert [item.name for item in items(array.get_file_system_snapshots(names_or_owner_names=["sdk-1"]))] == ["sdk-1.snapshot-1"]
passed("snapshot")

source = FileSystemPost(source=Reference(name="sdk-1.snapshot-1"))
over = one(array.post_file_systems(names=["sdk-1"], overwrite=True, discard_non_snapshotted_data=True, file_system=source))
assert over.id == made.id, over
refused(array.post_file_systems(names=["sdk-1"], overwrite=True, file_system=source), 400, "discard_non_snapshotted_data")
passed("file system restored in place")

if can_clone:
    clone = one(array.post_file_systems(names=["sdk-2"], include_snapshot=True, file_system=source))
    assert clone.source.name == "sdk-1.snapshot-1" and clone.provisioned == 2 * GIB and clone.id != made.id, clone
    passed("snapshot cloned")
else:
    refused(array.post_file_systems(names=["sdk-2"], file_system=source), 400, "")
    done(array.post_file_systems(names=["sdk-2"], file_system=FileSystemPost(provisioned=GIB, nfs=nfs("*(rw)"))))
    passed("a clone is refused at this version")

policy = one(array.post_nfs_export_policies(names=["sdk-policy"], policy=NfsExportPolicy(enabled=True)))
assert policy.name == "sdk-policy" and policy.enabled and policy.version, policy
rule = one(array.post_nfs_export_policies_rules(
    policy_names=["sdk-policy"], rule=NfsExportPolicyRule(client="192.0.2.7", permission="rw", access="no-squash"),
))
assert (rule.client, rule.permission, rule.access) == ("192.0.2.7", "rw", "no-squash") and rule.policy.name == "sdk-policy", rule
changed = one(array.get_nfs_export_policies(names=["sdk-policy"]))
assert changed.version != policy.version and [item.client for item in changed.rules] == ["192.0.2.7"], changed
passed("NFS export policy with a rule")

try:
    array.delete_nfs_export_policies_rules(names=[rule.name], versions=[policy.version])
    raise AssertionError("a rule went away under a stale policy version")
except PureError as error:
    assert "412" in str(error) or "recondition" in str(error), error
used = one(array.patch_file_systems(names=["sdk-1"], file_system=FileSystemPatch(nfs=NfsPatch(export_policy=Reference(name="sdk-policy")))))
assert used.nfs.export_policy.name == "sdk-policy", used.nfs
done(array.patch_file_systems(names=["sdk-1"], file_system=FileSystemPatch(nfs=NfsPatch(rules=""))))
done(array.delete_nfs_export_policies_rules(names=[rule.name], versions=[changed.version]))
assert items(array.get_nfs_export_policies_rules(policy_names=["sdk-policy"])) == []
done(array.delete_nfs_export_policies(names=["sdk-policy"]))
passed("a stale policy version is refused, the fresh one works")

hourly = flashblade.PolicyRule(every=3_600_000, keep_for=86_400_000)
made = one(array.post_policies(names=["sdk-snapshots"], policy=flashblade.Policy(enabled=True, rules=[hourly])))
assert [rule.every for rule in made.rules] == [3_600_000], made
done(array.post_policies_file_systems(policy_names=["sdk-snapshots"], member_names=["sdk-1"]))
assert one(array.get_file_systems_policies(member_names=["sdk-1"])).policy["name"] == "sdk-snapshots"
done(array.delete_policies_file_systems(policy_names=["sdk-snapshots"], member_names=["sdk-1"]))
done(array.delete_policies(names=["sdk-snapshots"]))
passed("snapshot policy of a file system")

# What one owner of files may store, and what it stores.
of = {"file_system_names": ["sdk-1"], "uids": [1001]}
made = one(array.post_quotas_users(**of, quota=flashblade.UserQuotaPost(quota=GIB)))
assert made.quota == GIB and made.usage == 0, made
done(array.patch_quotas_users(**of, quota=flashblade.UserQuotaPatch(quota=2 * GIB)))
stored = one(array.get_usage_users(**of))
assert (stored.name, stored.quota, stored.usage, stored.user.id) == ("sdk-1/1001", 2 * GIB, 0, 1001), stored
assert items(array.get_usage_groups(file_system_names=["sdk-1"])) == []
done(array.delete_quotas_users(**of))
passed("quota and usage of a user")

if minor >= 16:
    made = one(array.post_servers(names=["sdk-srv"], create_ds="sdk-srv_nfs", server=flashblade.ServerPost()))
    assert made.name == "sdk-srv" and made.created > 0 and made.dns == [], made
    done(array.patch_servers(names=["sdk-srv"], server=flashblade.ServerPost(dns=[])))
    assert [server.name for server in items(array.get_servers())] == ["_array_server", "sdk-srv"]
    refused(array.delete_servers(names=["_array_server"], cascade_delete=["directory-services"]), 400, "cannot be deleted", "_array_server")
    done(array.post_nfs_export_policies(names=["sdk-policy"], policy=NfsExportPolicy(enabled=True)))
    wanted = flashblade.FileSystemExportPost(export_name="/sdk", server=Reference(name="sdk-srv"))
    made = one(array.post_file_system_exports(member_names=["sdk-1"], policy_names=["sdk-policy"], file_system_export=wanted))
    assert (made.name, made.policy_type, made.member.name) == ("sdk-srv::NFS::/sdk", "NFS", "sdk-1"), made
    done(array.delete_file_system_exports(names=[made.name]))
    # The SDK does not send another server in a change.
    here = flashblade.FileSystemExportPost(export_name="/sdk")
    made = one(array.post_file_system_exports(member_names=["sdk-1"], policy_names=["sdk-policy"], file_system_export=here))
    own = flashblade.FileSystemExportPatch(export_name="sdk-1")
    done(array.patch_file_system_exports(names=[made.name], file_system_export=own))
    found = one(array.get_file_system_exports(filter="member.name='sdk-1' and server.name='_array_server'"))
    assert found.id == made.id and found.enabled, found
    assert one(array.get_file_systems(names=["sdk-1"])).nfs.export_policy.name == "sdk-policy"
    done(array.delete_file_system_exports(ids=[made.id]))
    assert one(array.get_file_systems(names=["sdk-1"])).nfs.rules == ""
    done(array.delete_servers(names=["sdk-srv"], cascade_delete=["directory-services"]))
    done(array.delete_nfs_export_policies(names=["sdk-policy"]))
    passed("server and export of a file system")

assert one(array.get_file_systems_performance(names=["sdk-1"], protocol="NFS")).name == "sdk-1"
passed("performance of a file system")

gone = one(array.patch_file_system_snapshots(names=["sdk-1.snapshot-1"], file_system_snapshot=FileSystemSnapshot(destroyed=True)))
assert gone.destroyed and gone.time_remaining > 0, gone
done(array.delete_file_system_snapshots(names=["sdk-1.snapshot-1"]))
passed("snapshot destroyed and eradicated")

refused(array.delete_file_systems(names=["sdk-1"]), 400, "")
off = FileSystemPatch(nfs=NfsPatch(v3_enabled=False, v4_1_enabled=False), destroyed=True)
for name in ("sdk-1", "sdk-2"):
    destroyed = one(array.patch_file_systems(names=[name], file_system=off))
    assert destroyed.destroyed and destroyed.time_remaining > 0, destroyed
assert sorted(item.name for item in items(array.get_file_systems(destroyed=True))) == ["sdk-1", "sdk-2"]
recovered = one(array.patch_file_systems(names=["sdk-1"], file_system=FileSystemPatch(destroyed=False)))
assert not recovered.destroyed and not recovered.nfs.v3_enabled, recovered
done(array.patch_file_systems(names=["sdk-1"], file_system=off))
done(array.delete_file_systems(names=["sdk-1", "sdk-2"]))
refused(array.get_file_systems(names=["sdk-1"]), 400, "does not exist", "sdk-1")
passed("file systems destroyed, recovered and eradicated")

# Calls that read no list: tests, downloads, one object; and what the OpenAPI files do not know as a list.
NO_LISTS = {
    "access_token", "active_directory_test", "alert_watchers_test", "arrays_erasures",
    "data_eviction_policies_file_systems", "data_eviction_policies_members", "directory_services_test",
    "file_system_group_quotas", "file_system_user_quotas", "file_systems_data_eviction_policies", "file_systems_groups",
    "file_systems_groups_performance", "file_systems_user_group_quota_policies", "file_systems_users",
    "file_systems_users_performance", "keytabs_download", "kmip", "kmip_test", "logs", "logs_async_download",
    "network_interfaces_network_connection_statistics", "object_store_roles_object_store_trust_policies_download",
    "rapid_data_locking", "rapid_data_locking_test", "snmp_agents_mib", "snmp_managers_test", "sso_saml2_idps_test",
    "support_test", "syslog_servers_test", "user_group_quota_policies", "user_group_quota_policies_file_systems",
    "user_group_quota_policies_members", "user_group_quota_policies_rules", "versions",
}
if VERSION is None:
    every_list_is_read(array, NO_LISTS)
finished()
