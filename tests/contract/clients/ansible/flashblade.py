"""The vendor's FlashBlade collection against a simulated array: see tasks.py for the arguments."""

from tasks import answered, passed, task

GIB = 1 << 30
RULES = "192.0.2.1(rw,no_root_squash)"

facts = answered("facts", "purefb_info", gather_subset=["minimum"])["purefb_info"]["default"]
assert facts["flashblade_name"] and facts["filesystems"] == 0, facts
passed("facts of an empty array")

task("file system", "purefb_fs", name="ans-1", size="1G", nfs_rules=RULES, hard_limit=True)
task("file system grown", "purefb_fs", name="ans-1", size="2G", nfs_rules=RULES)
task("access changed", "purefb_fs", name="ans-1", size="2G", nfs_rules="*(ro)")
task("file system without a size", "purefb_fs", name="ans-2")

task("NFS export policy", "purefb_policy", again=False, policy_type="nfs", name="ans-nfs", client="192.0.2.7", permission="rw")
task("policy of a file system", "purefb_fs", name="ans-2", export_policy="ans-nfs")

task("quota of a user", "purefb_userquota", name="ans-1", uid=1001, quota="1G")
task("quota of a group", "purefb_groupquota", name="ans-1", gname="staff", quota="1G")
task("server", "purefb_server", name="ans-srv")
servers = answered("facts of servers", "purefb_info", gather_subset=["servers"])["purefb_info"]["servers"]
assert sorted(servers) == ["_array_server", "ans-srv"] and servers["ans-srv"]["dns"] == [], servers
task("server deleted", "purefb_server", name="ans-srv", state="absent")
task("quota of a user deleted", "purefb_userquota", name="ans-1", uid=1001, state="absent")
task("snapshot", "purefb_snap", name="ans-1", suffix="snap1")
task("restored from a snapshot", "purefb_snap", again=False, name="ans-1", suffix="snap1", state="restore")

# Without the settings of an administrator (config, admins, certificates), which nobody has simulated.
SUBSETS = ["minimum", "performance", "capacity", "network", "subnets", "filesystems", "snapshots", "policies"]
info = answered("facts", "purefb_info", gather_subset=SUBSETS)["purefb_info"]
assert info["filesystems"]["ans-1"]["provisioned"] == 2 * GIB, info["filesystems"]
assert "ans-1.snap1" in info["snapshots"], info["snapshots"]
passed("facts of what the array holds")
answered("inventory", "purefb_inventory")
passed("inventory")

task("snapshot deleted", "purefb_snap", again=False, name="ans-1", suffix="snap1", state="absent")
task("snapshot recovered", "purefb_snap", again=False, name="ans-1", suffix="snap1")
task("snapshot eradicated", "purefb_snap", again=False, name="ans-1", suffix="snap1", state="absent", eradicate=True)
task("file system deleted", "purefb_fs", name="ans-1", state="absent")
task("file system recovered", "purefb_fs", again=False, name="ans-1", size="2G")
for name in ("ans-1", "ans-2"):
    task(f"file system {name} eradicated", "purefb_fs", again=False, name=name, state="absent", eradicate=True)
task("NFS export policy deleted", "purefb_policy", again=False, policy_type="nfs", name="ans-nfs", state="absent")
