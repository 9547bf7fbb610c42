// Hosts and client addresses that volumes are open to, compared with the nodes of the cluster.
import type { HostObject } from "../../arrays/array.ts";
import { nameKey } from "../../names.ts";
import { parseIp } from "../../net/cidr.ts";
import { namesText } from "../check/kube_object.ts";
import type { Diagnoses, Diagnosis, DoctorCheck, Known, Unknown } from "./diagnosis.ts";
import { Machines } from "./machines.ts";
import {
  type DoctorScope,
  type Pair,
  pairsOf,
  pvEvidence,
  unread,
  volumeEvidence,
} from "./pairs.ts";

/** A host object or a client address that a volume is open to, and who is behind it. */
interface Opening {
  pair: Pair;
  /** As the array calls it. */
  name: string;
  /** Absent for a client address. */
  host?: HostObject;
  /** Nodes of the cluster that it is. */
  nodes: readonly string[];
}

/** What is wrong with whom volumes are open to. */
export function openVolumes(scope: DoctorScope): Diagnoses {
  const { cluster, arrays } = scope;
  const pairs = pairsOf(scope);
  const unknown: Unknown[] = [
    ...unread("wrong host", [["every volume", cluster.nodes]]),
    ...arrays.flatMap(({ label, hosts }) => unread("wrong host", [[`array ${label}`, hosts]])),
  ];
  if (!cluster.nodes.value) return { findings: [], unknown };
  const machines = new Machines(cluster.nodes.value);
  const found = pairs.map((pair) => openingsOf(pair, machines));
  const judged: Diagnoses[] = [
    ...found.flat().map((opening) => judgeOpening(opening, { machines, scope })),
    ...found.map((openings) => ({ findings: doublyConnected(openings), unknown: [] })),
    ...arrays.map(({ label, hosts }) => staleInitiators(label, { hosts, machines })),
  ];
  return {
    findings: judged.flatMap(({ findings }) => findings),
    unknown: [...unknown, ...judged.flatMap((one) => one.unknown)],
  };
}

/** A host object that is gone by now is none; neither is what a rule names beside addresses. */
function openingsOf(pair: Pair, machines: Machines): Opening[] {
  const { volume, view } = pair;
  const names = volume.hosts ?? [];
  if (view.array.kind === "file") {
    return names.filter((name) => parseIp(name) !== undefined)
      .map((name) => ({ pair, name, nodes: machines.behindAddress(name) }));
  }
  return names.flatMap((name) => {
    const host = view.hosts.value?.get(nameKey(name));
    return host ? [{ pair, name, host, nodes: machines.behindHost(host) }] : [];
  });
}

/** What one opening is compared with. */
interface Comparison {
  machines: Machines;
  scope: DoctorScope;
}

function judgeOpening(opening: Opening, { machines, scope }: Comparison): Diagnoses {
  const { nodes, host, pair, name } = opening;
  const { attachments } = scope.cluster;
  const object = pair.volume.name;
  if (nodes.length === 0) {
    const check = host ? "wrong host" : "export to nobody";
    const { unregistered } = machines;
    if (unregistered.length === 0) return { findings: [foreignOpening(opening)], unknown: [] };
    const why = `it is open to ${name}, which may be ${namesText(unregistered)}: not registered`;
    return { findings: [], unknown: [{ check, object, why }] };
  }
  const shared: Diagnosis[] = host && nodes.length > 1 ? [sharedHost(opening)] : [];
  if (attachments.value === undefined) {
    const why = attachments.why;
    return { findings: shared, unknown: [{ check: "stale host", object, why }] };
  }
  const { has } = attachments.value;
  const isUsed = nodes.some((node) => has(pair.pv.pv, node));
  return { findings: [...shared, ...(isUsed ? [] : [staleOpening(opening)])], unknown: [] };
}

function evidenceOf({ pair, name, host, nodes }: Opening): Diagnosis["evidence"] {
  return {
    ...volumeEvidence(pair),
    ...pvEvidence(pair.pv),
    ...(host ? { hosts: [name], initiators: host.initiators } : { address: name }),
    nodes: nodes.length > 0 ? nodes : undefined,
  };
}

function foreignOpening(opening: Opening): Diagnosis {
  const { pair: { volume, view, pv }, name, host } = opening;
  const isHost = host !== undefined;
  const held = host && host.initiators.length > 0 ? ` (${namesText(host.initiators)})` : "";
  return {
    level: isHost ? "fail" : "warn",
    check: isHost ? "wrong host" : "export to nobody",
    object: volume.name,
    what: isHost
      ? `volume ${volume.name} of PersistentVolume ${pv.pv} is connected on array ${view.label} to ` +
        `host ${name}${held}, which is no node of this cluster`
      : `file system ${volume.name} of PersistentVolume ${pv.pv} is exported on array ` +
        `${view.label} to ${name}, which is the address of no node of this cluster`,
    evidence: evidenceOf(opening),
    plan: isHost
      ? `find out which machine it is; when it uses the volume no more, disconnect it on the array ` +
        `(purehost disconnect --vol ${volume.name} ${name})`
      : "find out which machine it is; when it uses the file system no more, take the rule out on " +
        "the array",
  };
}

function sharedHost(opening: Opening): Diagnosis {
  const { pair: { volume, view }, name, nodes } = opening;
  return {
    level: "fail",
    check: "wrong host",
    object: volume.name,
    what:
      `host ${name} on array ${view.label}, to which volume ${volume.name} is connected, holds ` +
      `initiators of ${nodes.length} nodes (${namesText(nodes)}): each of them reaches the volume`,
    evidence: evidenceOf(opening),
    plan: "give each node a host object and initiators of its own",
  };
}

function staleOpening(opening: Opening): Diagnosis {
  const { pair: { volume, view, pv }, name, host, nodes } = opening;
  const node = nodes.join(" or ");
  return {
    level: "warn",
    check: "stale host",
    object: volume.name,
    what: `volume ${volume.name} of PersistentVolume ${pv.pv} is ` +
      (host ? `connected to host ${name}` : `exported to ${name}`) +
      ` (node ${node}) on array ${view.label}, and no VolumeAttachment says so`,
    evidence: evidenceOf(opening),
    plan: `look on node ${node} whether a pod or a mount still uses it; if none does, ` +
      (host
        ? `disconnect it on the array (purehost disconnect --vol ${volume.name} ${name})`
        : "take the rule out on the array"),
  };
}

const ONE_NODE = new Set(["ReadWriteOnce", "ReadWriteOncePod"]);

/** Two hosts reach a volume that may have one: if both write, its data is lost. */
function doublyConnected(openings: readonly Opening[]): Diagnosis[] {
  const [first] = openings;
  const modes = first?.pair.pv.accessModes ?? [];
  if (!first || modes.length === 0 || !modes.every((mode) => ONE_NODE.has(mode))) return [];
  // A node may have two host objects: one for each kind of initiator.
  const machines = new Map(openings.map((one) => [one.nodes.join(" ") || `host ${one.name}`, one]));
  if (machines.size < 2) return [];
  const { pair } = first;
  const { volume, view, pv } = pair;
  const names = openings.map(({ name }) => name);
  return [{
    level: "fail",
    check: "doubly connected",
    object: volume.name,
    what: `volume ${volume.name} of PersistentVolume ${pv.pv} (${modes.join(", ")}) is open to ` +
      `${machines.size} hosts on array ${view.label}: ${names.join(", ")}`,
    evidence: {
      ...volumeEvidence(pair),
      ...pvEvidence(pv),
      hosts: names,
      nodes: [...new Set(openings.flatMap(({ nodes }) => nodes))],
    },
    plan:
      "stop the pods that use it, find out which machine has it mounted, and take it away from " +
      "the others on the array before a pod starts again",
  }];
}

/** Host objects of one node that hold an initiator which no node has. */
function staleInitiators(
  label: string,
  { hosts, machines }: { hosts: Known<Map<string, HostObject>>; machines: Machines },
): Diagnoses {
  const check: DoctorCheck = "stale initiator";
  const findings: Diagnosis[] = [];
  const unknown: Unknown[] = [];
  for (const host of hosts.value?.values() ?? []) {
    const { unregistered } = machines;
    const nodes = machines.behindHost(host);
    const nobodys = machines.nobodys(host);
    const [node] = nodes;
    if (node === undefined || nobodys.length === 0) continue;
    const held = namesText(nobodys);
    if (unregistered.length > 0) {
      const why = `${held} may be ${namesText(unregistered)}'s: not registered`;
      unknown.push({ check, object: `host ${host.name}`, why });
      continue;
    }
    findings.push({
      level: "warn",
      check,
      object: `host ${host.name}`,
      what: `host ${host.name} of node ${node} on array ${label} holds ${held}, which no node of ` +
        "this cluster has",
      evidence: { array: label, hosts: [host.name], initiators: host.initiators, nodes },
      plan: "find out whether another machine has that initiator: it reaches every volume of the " +
        "node; if it is a former one of the node, take it out of the host object on the array",
    });
  }
  return { findings, unknown };
}
