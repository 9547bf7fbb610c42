/** What the simulator does not model; shown by GET / of the control endpoint. The one place for such facts. */
export const LIMITS: readonly string[] = [
  "FlashArray: pods, volume groups, protection groups, host groups, realms, presets, workloads, replication, offload targets, directories and policies are not served; names that contain them are refused",
  "FlashArray: volumes/batch, volumes/test, volumes/diff, volume-snapshots/batch and password login are not served",
  "FlashArray: context_names and allow_errors are accepted and ignored: there is no fleet of arrays behind one",
  "FlashArray: data reduction is 1: the bytes of a volume are the blocks that its image occupies on the host",
  "FlashArray: limits of QoS are stored and shown, not applied to I/O",
  "FlashArray: performance figures follow the REST calls and bytes stored, not I/O: the data plane does its I/O past the simulator",
  "Snapshots and clones copy the image's bytes while hosts may write: without reflink on the host's file system the copy is not of one instant",
  "State survives SIGKILL of the simulator, not a power loss of the host",
  "Messages that no public source records (invalid size, name, LUN, full array, all FlashBlade texts) are the simulator's own and hold the substrings that drivers look for",
];
