"""The vendor's own SDK against a simulated FlashArray: see client.py for the arguments."""

from client import (
    VERSION, done, every_list_is_read, finished, items, login, login_with_wrong_token_fails, one, passed, refused,
)
from pypureclient import flasharray
from pypureclient.flasharray import (
    ConnectionPost, HostGroupPatch, HostPatch, HostPost, Reference, VolumePatch, VolumePost, VolumeSnapshotPatch, VolumeSnapshotPost,
)

MIB = 1 << 20
GIB = 1 << 30
IQN = "iqn.1993-08.org.debian:01:sdk"

login_with_wrong_token_fails(flasharray.Client)
passed("a wrong token is refused at login")

array, rest = login(flasharray.Client)
minor = int(rest.split(".")[1])
assert array.get_rest_version() == rest, rest
passed(f"login, REST {rest}")

info = one(array.get_arrays())
assert info.os == "Purity//FA" and info.id and info.name, info
passed("arrays")

space = one(array.get_arrays_space())
assert space.capacity > 0 and space.space.total_physical >= 0, space
passed("space of the array")

load = one(array.get_arrays_performance())
assert load.reads_per_sec >= 0 and load.usec_per_write_op >= 0 and load.time > 0, load
passed("performance of the array")

made = one(array.post_volumes(names=["sdk-1"], volume=VolumePost(provisioned=GIB)))
assert made.name == "sdk-1" and made.provisioned == GIB and not made.destroyed, made
assert len(made.serial) == 24 and made.serial == made.serial.upper(), made.serial
assert made.serial[:16] == info.id.replace("-", "")[:16].upper(), (made.serial, info.id)
passed("volume created")

space = one(array.get_volumes_space(names=["sdk-1"])).space
assert space.total_provisioned == GIB and space.unique == 0, space
assert one(array.get_volumes_performance(names=["sdk-1"])).reads_per_sec >= 0
passed("space and performance of a volume")

found = one(array.get_volumes(names=["sdk-1"]))
assert found.id == made.id and found.created == made.created and getattr(found, "time_remaining", None) is None, found
passed("volume read back")

refused(array.post_volumes(names=["sdk-1"], volume=VolumePost(provisioned=GIB)), 400, "already exists", "sdk-1")
refused(array.get_volumes(names=["sdk-none"]), 400, "does not exist", "sdk-none")
refused(array.post_volumes(names=["sdk_!"], volume=VolumePost(provisioned=GIB)), 400, "", "sdk_!")
assert items(array.get_volumes(filter="name='sdk-none'")) == []
passed("errors of volumes")

grown = one(array.patch_volumes(names=["sdk-1"], volume=VolumePatch(provisioned=2 * GIB)))
assert grown.provisioned == 2 * GIB and grown.serial == made.serial, grown
refused(array.patch_volumes(names=["sdk-1"], volume=VolumePatch(provisioned=GIB)), 400, "")
passed("volume grown, shrinking refused")

snapshot = one(array.post_volume_snapshots(source_names=["sdk-1"], volume_snapshot=VolumeSnapshotPost(suffix="snapshot-1")))
assert snapshot.name == "sdk-1.snapshot-1" and snapshot.source.name == "sdk-1" and snapshot.provisioned == 2 * GIB, snapshot
assert one(array.get_volume_snapshots(source_names=["sdk-1"])).id == snapshot.id
passed("snapshot")

clone = one(array.post_volumes(names=["sdk-2"], volume=VolumePost(source=Reference(name="sdk-1.snapshot-1"))))
assert clone.provisioned == 2 * GIB and clone.source.name.startswith("sdk-1"), clone
over = one(array.post_volumes(names=["sdk-2"], volume=VolumePost(source=Reference(name="sdk-1")), overwrite=True))
assert over.id == clone.id and over.serial == clone.serial, over
passed("clone of a snapshot, then overwritten by a volume")

host = one(array.post_hosts(names=["sdk-host"], host=HostPost(iqns=[IQN])))
assert host.iqns == [IQN] and host.connection_count == 0, host
assert one(array.get_hosts(filter=f"iqns='{IQN}' and is_local")).name == "sdk-host"
refused(array.post_hosts(names=["sdk-other"], host=HostPost(iqns=[IQN])), 400, "already in use")
passed("host, found by its initiator; the initiator is taken")

changed = one(array.patch_hosts(names=["sdk-host"], host=HostPatch(add_iqns=[IQN + "2"])))
assert sorted(changed.iqns) == [IQN, IQN + "2"], changed
passed("initiator added to the host")

group = one(array.post_host_groups(names=["sdk-group"]))
assert group.host_count == 0 and group.connection_count == 0, group
assert one(array.patch_host_groups(names=["sdk-group"], host_group=HostGroupPatch(name="sdk-hosts"))).name == "sdk-hosts"
done(array.post_host_groups_hosts(group_names=["sdk-hosts"], member_names=["sdk-host"]))
assert one(array.get_host_groups_hosts(group_names=["sdk-hosts"])).member.name == "sdk-host"
assert one(array.get_hosts_host_groups(member_names=["sdk-host"])).group.name == "sdk-hosts"
shared = one(array.post_connections(host_group_names=["sdk-hosts"], volume_names=["sdk-2"]))
assert shared.lun == 254 and shared.host.name == "sdk-host" and shared.host_group.name == "sdk-hosts", shared
assert one(array.get_host_groups(names=["sdk-hosts"])).connection_count == 1
refused(array.delete_host_groups(names=["sdk-hosts"]), 400, "existing connections")
done(array.delete_connections(host_group_names=["sdk-hosts"], volume_names=["sdk-2"]))
done(array.delete_host_groups_hosts(group_names=["sdk-hosts"], member_names=["sdk-host"]))
done(array.post_hosts_host_groups(group_names=["sdk-hosts"], member_names=["sdk-host"]))
done(array.delete_hosts_host_groups(group_names=["sdk-hosts"], member_names=["sdk-host"]))
done(array.delete_host_groups(names=["sdk-hosts"]))
passed("host group, its host from both sides, and a connection of all its hosts")

connection = one(array.post_connections(host_names=["sdk-host"], volume_names=["sdk-1"], connection=ConnectionPost()))
assert connection.lun == 1 and connection.host.name == "sdk-host" and connection.volume.name == "sdk-1", connection
refused(array.post_connections(host_names=["sdk-host"], volume_names=["sdk-1"]), 400, "Connection already exists.")
assert one(array.get_connections(volume_names=["sdk-1"])).lun == 1
refused(array.delete_hosts(names=["sdk-host"]), 400, "existing connections")
passed("connection")

ports = items(array.get_ports())
interfaces = items(array.get_network_interfaces())
assert any(getattr(port, "iqn", None) and getattr(port, "portal", None) for port in ports), ports
names = {interface.name.upper() for interface in interfaces}
assert all(port.name in names for port in ports), (names, ports)
assert any("iscsi" in interface.services for interface in interfaces), interfaces
parts = items(array.get_hardware(filter="type='controller'"))
assert [part.name for part in parts] == ["CT0", "CT1"] and all(part.status == "healthy" for part in parts), parts
assert [controller.status for controller in items(array.get_controllers())].count("ready") >= 1
passed("ports, network interfaces and controllers fit together")

tags = [flasharray.TagBatch(key="pvc", value="team/claim one", namespace="pso", copyable=True)]
done(array.put_volumes_tags_batch(resource_names=["sdk-1"], tag=tags))
tag = one(array.get_volumes_tags(resource_names=["sdk-1"], namespaces=["pso"]))
assert (tag.key, tag.value, tag.resource.name) == ("pvc", "team/claim one", "sdk-1"), tag
done(array.delete_volumes_tags(resource_names=["sdk-1"], namespaces=["pso"], keys=["pvc"]))
assert items(array.get_volumes_tags(resource_names=["sdk-1"], namespaces=["pso"])) == []
passed("tags")

done(array.delete_connections(host_names=["sdk-host"], volume_names=["sdk-1"]))
refused(array.delete_connections(host_names=["sdk-host"], volume_names=["sdk-1"]), 400, "Connection does not exist.")
done(array.delete_hosts(names=["sdk-host"]))
passed("disconnected, host deleted")

batch = [flasharray.TagBatch(key="by", value="sdk", namespace="sdk")]
done(array.put_volume_snapshots_tags_batch(resource_names=["sdk-1.snapshot-1"], tag=batch))
assert one(array.get_volume_snapshots_tags(namespaces=["sdk"])).resource.name == "sdk-1.snapshot-1"
done(array.delete_volume_snapshots_tags(resource_names=["sdk-1.snapshot-1"], namespaces=["sdk"], keys=["by"]))
passed("tags of a snapshot")

done(array.post_protection_groups(names=["sdk-pg"]))
done(array.post_protection_groups_volumes(group_names=["sdk-pg"], member_names=["sdk-1", "sdk-2"]))
assert len(items(array.get_protection_groups_volumes(group_names=["sdk-pg"]))) == 2
whole = one(array.post_protection_group_snapshots(
    source_names=["sdk-pg"], protection_group_snapshot=flasharray.ProtectionGroupSnapshotPost(suffix="g1"),
))
assert whole.name == "sdk-pg.g1" and one(array.get_protection_group_snapshots(names=["sdk-pg.g1"])).space.unique == 0, whole
assert one(array.get_volume_snapshots(names=["sdk-pg.g1.sdk-1"])).source.name == "sdk-1"
dead = flasharray.ProtectionGroupSnapshotPatch(destroyed=True)
done(array.patch_protection_group_snapshots(names=["sdk-pg.g1"], protection_group_snapshot=dead))
done(array.delete_protection_group_snapshots(names=["sdk-pg.g1"]))
done(array.delete_protection_groups_volumes(group_names=["sdk-pg"], member_names=["sdk-2"]))
done(array.patch_protection_groups(names=["sdk-pg"], protection_group=flasharray.ProtectionGroup(destroyed=True)))
done(array.delete_protection_groups(names=["sdk-pg"]))
passed("protection group, and a snapshot of all its volumes")

done(array.post_pods(names=["sdk-pod"], pod=flasharray.PodPost()))
done(array.post_volume_groups(names=["sdk-vg"], volume_group=flasharray.VolumeGroupPost()))
for name in ("sdk-pod::v1", "sdk-vg/v1"):
    assert one(array.post_volumes(names=[name], volume=VolumePost(provisioned=GIB))).name == name
    done(array.patch_volumes(names=[name], volume=VolumePatch(destroyed=True)))
    done(array.delete_volumes(names=[name]))
assert one(array.get_pods(names=["sdk-pod"])).array_count == 1
assert one(array.get_volume_groups(names=["sdk-vg"])).volume_count == 0
done(array.patch_pods(names=["sdk-pod"], pod=flasharray.PodPatch(destroyed=True)))
done(array.delete_pods(names=["sdk-pod"]))
done(array.patch_volume_groups(names=["sdk-vg"], volume_group=flasharray.VolumeGroupPatch(destroyed=True)))
done(array.delete_volume_groups(names=["sdk-vg"]))
passed("volumes in a pod and in a volume group")

gone = one(array.patch_volume_snapshots(names=["sdk-1.snapshot-1"], volume_snapshot=VolumeSnapshotPatch(destroyed=True)))
assert gone.destroyed and gone.time_remaining > 0, gone
done(array.delete_volume_snapshots(names=["sdk-1.snapshot-1"]))
passed("snapshot destroyed and eradicated")

destroyed = one(array.patch_volumes(names=["sdk-1"], volume=VolumePatch(destroyed=True)))
assert destroyed.destroyed and destroyed.time_remaining > 0, destroyed
assert one(array.get_volumes(names=["sdk-1"], destroyed=True)).name == "sdk-1"
refused(array.get_volumes(names=["sdk-1"], destroyed=False), 400, "")
recovered = one(array.patch_volumes(names=["sdk-1"], volume=VolumePatch(destroyed=False)))
assert not recovered.destroyed, recovered
refused(array.delete_volumes(names=["sdk-1"]), 400, "")
passed("volume destroyed and recovered, eradication of a live one refused")

for name in ("sdk-1", "sdk-2"):
    done(array.patch_volumes(names=[name], volume=VolumePatch(destroyed=True)))
done(array.delete_volumes(names=["sdk-1", "sdk-2"]))
refused(array.get_volumes(names=["sdk-1"]), 400, "does not exist", "sdk-1")
passed("volumes eradicated")

many = [f"page-{n:04}" for n in range(1250)]
for start in range(0, len(many), 125):
    done(array.post_volumes(names=many[start:start + 125], volume=VolumePost(provisioned=MIB)))
first = array.get_volumes(destroyed=False)
assert first.more_items_remaining and first.continuation_token, "1,250 volumes came as one page"
assert sorted(volume.name for volume in items(first)) == many
by_name = [volume.name for volume in items(array.get_volumes(sort=["name-"], destroyed=False))]
assert by_name == sorted(many, reverse=True), by_name[:3]
assert array.get_volumes(limit=0, total_item_count=True, filter="name='page-00*'").total_item_count == 100
for start in range(0, len(many), 125):
    done(array.patch_volumes(names=many[start:start + 125], volume=VolumePatch(destroyed=True)))
    done(array.delete_volumes(names=many[start:start + 125]))
passed("1,250 volumes in pages, by token and sorted by offset")

# Calls that read no list: tests, downloads, one object; and what the OpenAPI files do not know as a list.
NO_LISTS = {
    "rest_version", "access_token", "admins_settings", "alert_watchers_test", "log_targets_syslog_test",
    "policies_alert_watcher_rules_test", "snmp_managers_test", "syslog_servers_test", "volumes_diff",
}
if VERSION is None:
    every_list_is_read(array, NO_LISTS)
finished()
