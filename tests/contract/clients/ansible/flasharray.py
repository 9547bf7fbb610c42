"""The vendor's FlashArray collection against a simulated array: see tasks.py for the arguments."""

from tasks import answered, passed, task

GIB = 1 << 30
IQN = "iqn.1993-08.org.debian:01:ansible"

facts = answered("facts", "purefa_info", gather_subset=["minimum"])["purefa_info"]["default"]
assert facts["array_name"] and facts["hosts"] == 0 and facts["volumes"] == 0, facts
passed("facts of an empty array")

made = task("volume", "purefa_volume", name="ans-1", size="1G")["volume"]["ans-1"]
assert made["size"] == GIB and made["page83_naa"] == "naa.624a9370" + made["serial"].lower(), made
grown = task("volume grown, with limits", "purefa_volume", name="ans-1", size="2G", bw_qos="10M", iops_qos="2K")
assert grown["volume"]["ans-1"]["size"] == 2 * GIB, grown
assert grown["volume"]["ans-1"]["iops_limit"] == 2000, grown
task("several volumes", "purefa_volume", name="ans-many-", count=3, start=1, digits=2, size="1G")
task("clone of a volume", "purefa_volume", name="ans-1", target="ans-clone")
task("volume renamed", "purefa_volume", again=False, name="ans-clone", rename="ans-2")
task("tags", "purefa_volume_tags", name="ans-1", namespace="ansible", kvp=["team:storage", "cost:7"])

task("snapshot", "purefa_snap", again=False, name="ans-1", suffix="snap1")
task("snapshot renamed", "purefa_snap", again=False, name="ans-1", suffix="snap1", target="snap2", state="rename")
task("clone of a snapshot", "purefa_snap", name="ans-1", suffix="snap2", target="ans-3", state="copy")
task("restored from a snapshot", "purefa_snap", again=False, name="ans-1", suffix="snap2", target="ans-3", state="copy", overwrite=True)

task("host", "purefa_host", name="ans-host", iqn=[IQN])
task("volume attached", "purefa_host", again=False, name="ans-host", volume="ans-1")
task("host with both kinds of initiators", "purefa_host", name="ans-mixed", iqn=[IQN + "2"], wwns=["52:4a:93:71:23:45:67:01"])
task("NVMe host", "purefa_host", name="ans-nvme", nqn=["nqn.2014-08.org.nvmexpress:uuid:6b2c0b5e-0000-4000-8000-000000000001"])
task("host group", "purefa_hg", name="ans-group", host=["ans-mixed"], volume=["ans-2"])

# Without the settings of an administrator (config, admins, certificates), which nobody has simulated; and without those
# for which this collection calls the SDK as its client of REST 2.38 cannot be called (hosts, hgroups, pods, pgroups, vgroups).
SUBSETS = ["minimum", "performance", "capacity", "network", "subnet", "interfaces", "volumes", "snapshots"]
task("protection group", "purefa_pg", name="ans-pg", volume=["ans-1"], enabled=False)
task("snapshot of the group", "purefa_pgsnap", again=False, name="ans-pg", suffix="g1")
task("volume out of it", "purefa_pgsnap", again=False, name="ans-pg", suffix="g1", restore="ans-1", target="ans-4", state="copy")
task("volume group with limits", "purefa_vg", name="ans-vg", bw_qos="100M", iops_qos="10K")
task("volume in the group", "purefa_volume", name="ans-vg/v1", size="1G")
task("pod", "purefa_pod", name="ans-pod")
task("volume in the pod", "purefa_volume", name="ans-pod::v1", size="1G")

info = answered("facts", "purefa_info", gather_subset=SUBSETS)["purefa_info"]
assert info["default"]["hosts"] == 3 and info["volumes"]["ans-1"]["size"] == 2 * GIB, info["default"]
assert "ans-1.snap2" in info["snapshots"], info["snapshots"].keys()
passed("facts of what the array holds")
inventory = answered("inventory", "purefa_inventory")
assert inventory["purefa_inv"]["controllers"]["CT0"]["status"] in ("ok", "healthy", "ready"), inventory
passed("inventory")

task("volume detached", "purefa_host", again=False, name="ans-host", volume="ans-1", state="absent")
task("host group without the volume", "purefa_hg", again=False, name="ans-group", volume=["ans-2"], state="absent")
task("host group deleted", "purefa_hg", name="ans-group", state="absent")
for name in ("ans-host", "ans-mixed", "ans-nvme"):
    task(f"host {name} deleted", "purefa_host", name=name, state="absent")
task("snapshot of the group deleted", "purefa_pgsnap", name="ans-pg", suffix="g1", state="absent")
task("protection group deleted", "purefa_pg", name="ans-pg", state="absent")
for name in ("ans-vg/v1", "ans-pod::v1"):
    task(f"volume {name} eradicated", "purefa_volume", again=False, name=name, state="absent", eradicate=True)
task("volume group eradicated", "purefa_vg", again=False, name="ans-vg", state="absent", eradicate=True)
task("pod eradicated", "purefa_pod", again=False, name="ans-pod", state="absent", eradicate=True)
task("snapshot deleted", "purefa_snap", name="ans-1", suffix="snap2", state="absent")
task("snapshot eradicated", "purefa_snap", again=False, name="ans-1", suffix="snap2", state="absent", eradicate=True)
task("volume deleted", "purefa_volume", name="ans-1", state="absent")
task("volume recovered", "purefa_volume", name="ans-1", size="2G", state="present")
for name in ("ans-1", "ans-2", "ans-3", "ans-4", "ans-many-01", "ans-many-02", "ans-many-03"):
    task(f"volume {name} eradicated", "purefa_volume", again=False, name=name, state="absent", eradicate=True)
