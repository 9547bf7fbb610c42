"""OpenStack Cinder's Pure driver against a simulated FlashArray, without a database, a queue or a service.

usage: <script> HOST:PORT TOKEN CA_FILE
Configuration stands in memory, volumes and snapshots are Cinder's own objects that nobody stores.
Prints one line per check that passed and ends with status 1 at the first that did not.
"""

import sys
import tempfile
import uuid

from cinder import context, coordination, objects
from cinder.common import config  # noqa: F401 (registers Cinder's options)
from oslo_config import cfg
from pypureclient import flasharray

# Cinder's modules need its objects at their import.
objects.register_all()
from cinder.volume import configuration, driver  # noqa: E402
from cinder.volume.drivers import pure  # noqa: E402

TARGET, TOKEN, _ = sys.argv[1:4]
GIB = 1 << 30
ADMIN = context.get_admin_context()
CONF = cfg.CONF

_passed = 0
_volumes = {}


def passed(what):
    """Counts one finished check; the caller has asserted its facts before."""
    global _passed
    _passed += 1
    print(f"ok {_passed} {what}", flush=True)


def configured(group, **options):
    """A back end of cinder.conf that exists only here."""
    made = configuration.Configuration(driver.volume_opts, config_group=group)
    made.append_config_values(pure.PURE_OPTS)
    made.append_config_values(pure.san.san_opts)
    values = {"san_ip": TARGET, "pure_api_token": TOKEN, "volume_backend_name": group, **options}
    for option, value in values.items():
        CONF.set_override(option, value, group=group)
    return made


def started(driver_class, group, **options):
    """The driver as the volume service starts it."""
    made = driver_class(configuration=configured(group, **options), host=f"here@{group}")
    made.do_setup(ADMIN)
    assert made._array is not None, "the driver could not log in"
    made.check_for_setup_error()
    return made


def volume(size=1, **more):
    """A volume that Cinder would have stored before it calls the driver."""
    fields = {
        "id": str(uuid.uuid4()), "size": size, "project_id": "project-1", "user_id": "user-1", "metadata": {},
        "volume_type": None, "volume_type_id": None, "group_id": None, "consistencygroup_id": None, "bootable": False,
        "_name_id": None, "provider_id": None, "replication_driver_data": None, "host": "here@iscsi#pool",
        "volume_attachment": objects.VolumeAttachmentList(objects=[]),
    }
    made = objects.Volume(ADMIN, **{**fields, **more})
    _volumes[made.id] = made
    return made


def snapshot(of):
    """A snapshot that Cinder would have stored before it calls the driver."""
    return objects.Snapshot(
        ADMIN, id=str(uuid.uuid4()), volume_id=of.id, volume=of, volume_size=of.size, metadata={}, group_snapshot=None,
        cgsnapshot=None, group_snapshot_id=None, cgsnapshot_id=None, project_id="project-1",
    )


def raised(error, wanted, call, *args):
    """The call must raise this error, and say these words."""
    try:
        call(*args)
    except error as found:
        assert wanted in str(found), f"said {found}, wanted {wanted}"
        return
    raise AssertionError(f"{call} did not raise {error}")


CONF([], project="cinder", default_config_files=[])
CONF.set_override("state_path", tempfile.mkdtemp(prefix="pso-cinder-"))
CONF.set_override("backend_url", f"file://{CONF.state_path}", group="coordination")
objects.Volume.get_by_id = classmethod(lambda cls, ctxt, id, *rest, **more: _volumes[id])
coordination.COORDINATOR.start()

# What the array itself says, past the driver.
array = flasharray.Client(TARGET, api_token=TOKEN)


def on_array(name):
    """The volume of that name as the array has it."""
    answer = array.get_volumes(names=[name])
    assert answer.status_code == 200, answer
    return list(answer.items)[0]


def stats_of(cinder):
    """What the driver tells the scheduler."""
    return cinder.get_volume_stats(refresh=True)


cinder = started(pure.PureISCSIDriver, "iscsi", pure_host_personality="esxi", use_chap_auth=False)
passed("the iSCSI driver starts")

empty = stats_of(cinder)
assert empty["total_volumes"] == 0 and empty["total_capacity_gb"] > 0 and empty["free_capacity_gb"] > 0, empty
assert empty["consistent_group_snapshot_enabled"] and empty["replication_capability"] is None, empty
passed("statistics of an empty array")

first = volume(size=1)
update = cinder.create_volume(first)
assert update["provider_id"] == f"volume-{first.id}-cinder", update
assert on_array(first.provider_id).provisioned == GIB
tags = {tag.key: tag.value for tag in array.get_volumes_tags(resource_names=[first.provider_id]).items}
assert tags["ProjectId"] == "project-1" and tags["VolType"] == "Data", tags
passed("volume with its tags")
raised(pure.PureDriverException, "already exists", cinder.create_volume, first)
passed("a second volume of one name is refused")

cinder.extend_volume(first, 2)
assert on_array(first.provider_id).provisioned == 2 * GIB
first.size = 2
passed("extend")

point = snapshot(first)
cinder.create_snapshot(point)
clone = volume(size=2)
cinder.create_cloned_volume(clone, first)
restored = volume(size=3)
cinder.create_volume_from_snapshot(restored, point)
assert on_array(restored.provider_id).provisioned == 3 * GIB
assert on_array(clone.provider_id).source.name == first.provider_id
cinder.revert_to_snapshot(ADMIN, first, point)
passed("snapshot, clone, volume of a snapshot, and the way back")

full = stats_of(cinder)
assert (full["total_volumes"], full["total_snapshots"], full["provisioned_capacity_gb"]) == (3, 1, 7), full
passed("statistics")

connector = {"host": "node-1", "initiator": "iqn.1993-08.org.debian:01:cinder", "multipath": True}
data = cinder.initialize_connection(first, connector)["data"]
# Two ports of each controller and the bond; those by IPv6 are outside of the usual CIDR.
assert len(data["target_portals"]) == len(data["target_iqns"]) == 5 and data["target_luns"] == [1] * 5, data
assert data["wwn"] == "3624a9370" + on_array(first.provider_id).serial.lower(), data
host = list(array.get_hosts(filter="iqns='iqn.1993-08.org.debian:01:cinder'").items)[0]
assert host.name.startswith("node-1-") and host.personality == "esxi", host
assert cinder.initialize_connection(clone, connector)["data"]["target_luns"] == [2] * 5
passed("attach of two volumes to one host by iSCSI")
cinder.terminate_connection(first, connector)
assert list(array.get_connections(host_names=[host.name]).items)[0].volume.name == clone.provider_id
cinder.terminate_connection(clone, connector)
assert array.get_hosts(names=[host.name]).status_code == 400, "the driver's host is still there"
passed("detach, and the host goes with its last volume")

other = started(pure.PureISCSIDriver, "chap", use_chap_auth=True)
other._get_chap_credentials = lambda host, initiator: (host, "a-secret-of-14-letters")
secret = other.initialize_connection(first, connector)["data"]
assert (secret["auth_method"], secret["auth_username"]) == ("CHAP", "node-1"), secret
assert list(array.get_hosts().items)[0].chap.host_user == "node-1"
other.terminate_connection(first, connector)
passed("attach with CHAP")

nqn = {"host": "node-2", "nqn": "nqn.2014-08.org.nvmexpress:uuid:6b2c0b5e-0000-4000-8000-000000000002"}
for transport, kind in (("tcp", "tcp"), ("roce", "rdma")):
    nvme = started(pure.PureNVMEDriver, f"nvme-{transport}", pure_nvme_transport=transport)
    data = nvme.initialize_connection(first, nqn)["data"]
    assert data["portals"] and all(portal[1:] == (4420, kind) for portal in data["portals"]), data
    assert data["volume_nguid"].startswith("00"), data
    nvme.terminate_connection(first, nqn)
    passed(f"attach by NVMe over {transport}")

fabric = started(pure.PureFCDriver, "fc")
wwpns = {"host": "node-3", "wwpns": ["5000000000000001", "5000000000000002"]}
data = fabric.initialize_connection(first, wwpns)["data"]
assert data["target_luns"] and len(data["target_wwns"]) >= 2, data
assert set(data["initiator_target_map"]) == set(wwpns["wwpns"]), data
fabric.terminate_connection(first, wwpns)
passed("attach by Fibre Channel")

assert array.post_volumes(names=["of-somebody"], volume=flasharray.VolumePost(provisioned=GIB)).status_code == 200
found = [one["reference"]["name"] for one in cinder.get_manageable_volumes([], None, 100, 0, [], [])]
assert "of-somebody" in found, found
assert cinder.manage_existing_get_size(volume(), {"source-name": "of-somebody"}) == 1
cinder.unmanage(clone)
assert on_array(clone.provider_id + "-unmanaged").provisioned == 2 * GIB
cinder.unmanage_snapshot(point)
given_back = list(array.get_volume_snapshots(source_names=[first.provider_id]).items)[0].name
assert given_back.endswith("-unmanaged"), given_back
taken = snapshot(first)
assert cinder.manage_existing_snapshot_get_size(taken, {"source-name": given_back}) == 2
cinder.manage_existing_snapshot(taken, {"source-name": given_back})
passed("what was made past Cinder is found, taken in and given back")

# Cinder asks its database what sort of group it is.
pure.volume_utils.is_group_a_cg_snapshot_type = lambda group: True
group = objects.Group(ADMIN, id=str(uuid.uuid4()), volume_types=objects.VolumeTypeList(objects=[]))
cinder.create_consistencygroup(ADMIN, group)
cinder.update_consistencygroup(ADMIN, group, add_volumes=[first, restored])
members = list(array.get_protection_groups_volumes(group_names=[f"consisgroup-{group.id}-cinder"]).items)
assert len(members) == 2, members
assert stats_of(cinder)["total_pgroups"] == 1
whole = objects.GroupSnapshot(ADMIN, id=str(uuid.uuid4()), group_id=group.id, group=group)
cinder.create_cgsnapshot(ADMIN, whole, [])
part = snapshot(first)
part.group_snapshot = whole
again = volume(size=2)
cinder.create_volume_from_snapshot(again, part, cgsnapshot=True)
assert on_array(again.provider_id).source.name == first.provider_id
cinder.delete_cgsnapshot(ADMIN, whole, [])
cinder.delete_consistencygroup(ADMIN, group, [again])
gone = array.get_protection_groups(names=[f"consisgroup-{group.id}-cinder"], destroyed=True)
assert gone.status_code == 200 and on_array(again.provider_id).destroyed, gone
passed("group of volumes, a snapshot of all of it, and a volume of that")

cinder.delete_snapshot(taken)
cinder.delete_snapshot(taken)
passed("snapshot deleted, and once more")
for one in (first, restored):
    cinder.delete_volume(one)
    assert on_array(one.provider_id).destroyed
cinder.delete_volume(volume(provider_id="volume-of-nobody-cinder"))
passed("volumes deleted, and one that was never there")
eradicating = started(pure.PureISCSIDriver, "eradicate", pure_eradicate_on_delete=True)
last = volume(size=1)
eradicating.create_volume(last)
eradicating.delete_volume(last)
assert array.get_volumes(names=[last.provider_id]).status_code == 400
passed("volume deleted and eradicated")
