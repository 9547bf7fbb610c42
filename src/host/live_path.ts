import { PsoError } from "../errors.ts";
import { type Host, listHostFolder, peekHostFolder, peekHostText } from "./host.ts";

const BLOCK = "/sys/class/block";
const SUBSYSTEMS = "/sys/class/nvme-subsystem";

/**
 * Throws `unavailable` when sysfs shows that no path to this device carries I/O: whatever reads or
 * writes it would wait, for ever with NVMe. Nothing of the device is touched. A device of which
 * sysfs shows no paths passes.
 */
export async function requireLivePath(host: Host, name: string): Promise<void> {
  const states = /^nvme\d+n\d+$/.test(name)
    ? await controllerStates(host, name)
    : scsiStates(host, name);
  if (states === undefined || states.some(({ isLive }) => isLive)) return;
  const shown = states.map(({ path, state }) => `${path} is ${state}`).join(", ");
  throw new PsoError(
    "unavailable",
    `no path to device ${name} carries I/O (${shown || "it has none"}): check the ` +
      "network to the array; it will be tried again",
  );
}

interface PathState {
  path: string;
  state: string;
  isLive: boolean;
}

/** The controllers of the subsystem that a namespace belongs to, all of them paths to it. */
async function controllerStates(host: Host, name: string): Promise<PathState[] | undefined> {
  for (const subsystem of await listHostFolder(host, SUBSYSTEMS)) {
    const members = peekHostFolder(host, `${SUBSYSTEMS}/${subsystem}`);
    if (!members.includes(name)) continue;
    return members.filter((member) => /^nvme\d+$/.test(member)).map((path) => {
      const state = peekHostText(host, `/sys/class/nvme/${path}/state`) ?? "gone";
      return { path, state, isLive: state === "live" };
    });
  }
  return undefined;
}

/** The SCSI disks of a multipath map, or the disk itself. */
function scsiStates(host: Host, name: string): PathState[] | undefined {
  const isMap = peekHostText(host, `${BLOCK}/${name}/dm/uuid`)?.startsWith("mpath-");
  if (!isMap && !/^sd[a-z]+$/.test(name)) return undefined;
  const disks = isMap ? peekHostFolder(host, `${BLOCK}/${name}/slaves`) : [name];
  return disks.map((path) => {
    const state = peekHostText(host, `${BLOCK}/${path}/device/state`) ?? "gone";
    return { path, state, isLive: state === "running" };
  });
}
