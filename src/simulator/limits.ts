/**
 * What the simulator does not model; shown by GET / of the control endpoint. The one place for such
 * facts.
 */
export const LIMITS: readonly string[] = [
  "FlashArray: realms, presets, workloads, replication, offload targets, directories and policies " +
  "are not modelled: their lists are empty, and names that contain them are refused",
  "FlashArray: pods are promoted and add no default protection; a pod is not made from another one; " +
  "texts about what pods and volume groups hold, and about stretched pods, are the simulator's own",
  "FlashArray: a pod is stretched over two arrays of one simulator; both serve one image, also " +
  "while one takes over what it missed; an array that lost a pod does not refuse changes in it " +
  "while the other one is down",
  "FlashArray: protection groups have volumes and snapshots that are asked for, and no " +
  "schedules, targets, retention lock or hosts; a volume joins one when it is made or by the " +
  "group's list; none is in a pod; those of the array's default protection are joined by " +
  "each new volume outside of pods",
  "FlashArray: host groups have no QoS and no tags; what a host group with hosts answers to its " +
  "deletion, and a host to a second group, is the simulator's own text",
  "FlashArray: volumes/diff reads the images from the beginning of the segment to its end, and " +
  "gives no next_allocated_block_hint; what is zero counts as not allocated",
  "FlashArray: volumes/test and volume-snapshots/batch are not served, and volumes/batch " +
  "overwrites nothing; of REST 1.x only auth/apitoken is, for the user pureuser, whose password " +
  "is the API token",
  "There is no fleet of arrays behind one: a change takes no other context_names than the array's " +
  "own, and a list ignores them",
  "A change that asks for a parameter or a field that is not modelled is refused",
  "FlashArray: data reduction is 1: the bytes of a volume are the blocks that its image " +
  "occupies on the host",
  "Snapshots and clones share with their source what is equal at the same place, in " +
  "blocks of 4 KiB; images of more than 512 MiB are not compared: a copy costs what it has grown " +
  "by, and counts whole after a restart",
  "FlashBlade: what a client overwrites costs a snapshot its space once the host has written it " +
  "back; a file system that is restored shares nothing with its snapshots, a clone all but the " +
  "4 MiB of XFS's log",
  "Performance of the past is what earlier looks have seen: nobody measures between two of them, " +
  "and space has no past",
  "FlashArray: limits of QoS are stored and shown, not applied to I/O",
  "Performance figures follow the growth of the stored bytes between two looks: hosts do " +
  "their I/O past the simulator, which sees no reads",
  "FlashArray: an overwrite or a truncation leaves no undo snapshot, and an overwrite that is" +
  " cut off by SIGKILL leaves the volume half written",
  "FlashArray: ports, portals and interfaces are shown, but nothing answers there on the " +
  "local data plane",
  "FlashBlade: object store (accounts, users, buckets), SMB, realms, replication, fleets and " +
  "password login are not modelled: their lists are empty",
  "FlashBlade: snapshot policies are stored and shown; nobody takes or removes snapshots by them",
  "FlashBlade: quotas hold nobody back; their usage is counted by the numbers that own the files: " +
  "names of users and groups mean nobody",
  "FlashBlade: clients find a file system by its own name alone: by nfs.rules, which are in no " +
  "list of exports, or by its export of that name on the array's server, which is " +
  "nfs.export_policy; other exports and servers are stored and shown, without addresses, DNS and " +
  "directories",
  "Every other list that the OpenAPI files know is empty; changes of what is not modelled are 404",
  "FlashBlade: on the local data plane an NFS rule lets in the client that it names by IP " +
  "address, or everybody; networks, host names and netgroups reach nobody, and ro, squash and" +
  " security options are stored, not enforced",
  "FlashBlade: provisioned is always a hard limit, also without hard_limit_enabled; a file " +
  "system without it ends at 64 GiB; a smaller size is stored, but df keeps the larger one; " +
  ".snapshot and the fast-remove directory do not appear",
  "FlashArray: snapshots and clones copy the image's bytes while hosts may write: without " +
  "reflink on the host's file system the copy is not of one instant (a FlashBlade's file " +
  "system is frozen meanwhile)",
  "Kernel data plane: no Fibre Channel and no RoCE; a FlashArray's unit serial number (VPD " +
  "page 0x80, lsblk -o SERIAL) shows one 0 before it; vendor, product, WWID and NGUID are " +
  "exact",
  "Kernel data plane, iSCSI: preferred arrays of hosts show by ALUA for volumes of stretched pods; " +
  "one state holds for all hosts that have the volume by that array, the best that one of them has",
  "Kernel data plane, NVMe/TCP: each host that has any connection sees all namespaces of its " +
  "array, and a host that is cut off keeps what it has attached for as long as another host " +
  "is connected to the volume; namespace ids are not those of the connections",
  "Kernel data plane, NFS: the host's own NFS server answers at every address of the host, " +
  "with the versions that it serves; fileid_32bit and atime are stored, not enforced; a file " +
  "system is the path /NAME of the host, so that a name is served once",
  "State survives SIGKILL of the simulator, not a power loss of the host",
  "Messages that no public source records (invalid size, host name, LUN, full array, all " +
  "FlashBlade texts) are the simulator's own and hold the substrings that drivers look for",
];
