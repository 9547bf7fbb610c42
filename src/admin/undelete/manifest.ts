// The PersistentVolume and the claim of a recovered volume, from its tags.
import { stringify } from "@std/yaml";
import { CLAIM_ACCESS_MODES } from "../../capability.ts";
import type { Topology } from "../../controller/requests.ts";
import { NOT_NAMED, OBJECT_TAGS } from "../../controller/tags.ts";
import { FS_TYPES } from "../../file_systems.ts";
import { baseNameOf } from "../../names.ts";
import { PROTOCOLS } from "../../protocols.ts";
import { DRIVER } from "../check/cluster.ts";
import type { Waiting } from "./waiting.ts";

/** Where a claim is to be: both parts are names that Kubernetes takes. */
export interface ClaimName {
  namespace: string;
  name: string;
}

/** What the objects are to be called. */
export interface Wanted {
  pv: string;
  /** Absent: the array does not say, and nobody else did. */
  claim?: ClaimName;
}

/** What the flags say; each absent one as the tags say. */
interface Given {
  pv?: string;
  claim?: ClaimName;
}

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const OBJECT_NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);
const NAMESPACE = new RegExp(`^${LABEL}$`);

/** Whether Kubernetes takes it as the name of a PersistentVolume or a claim. */
export function isObjectName(name: string): boolean {
  return OBJECT_NAME.test(name);
}

/** `NAMESPACE/NAME`; undefined for what Kubernetes would not take. */
export function claimNameIn(text: string): ClaimName | undefined {
  const [namespace = "", name = "", ...rest] = text.split("/");
  const isGood = rest.length === 0 && NAMESPACE.test(namespace) && OBJECT_NAME.test(name);
  return isGood ? { namespace, name } : undefined;
}

/**
 * The names for the objects of a volume: those that were given, else those of its tags. A tag that
 * Kubernetes would not take as a name counts as none; the PersistentVolume is called after the
 * volume then.
 */
export function wantedFor({ volume, tags }: Waiting, given: Given): Wanted {
  const last = baseNameOf(volume.name).toLowerCase();
  const own = last.replace(/^.*?-(?=pvc-)/, "").replaceAll("_", "-");
  const candidates = [given.pv, tags.get("pv"), own, last.replaceAll("_", "-")];
  const pv = candidates.find((name) => name !== undefined && isObjectName(name)) ??
    `recovered-${volume.id.toLowerCase().replaceAll(/[^a-z0-9]/g, "").slice(0, 32)}`;
  const claim = given.claim ??
    claimNameIn(`${tags.get("pvc-namespace") ?? ""}/${tags.get("pvc-name") ?? ""}`);
  return claim ? { pv, claim } : { pv };
}

/** What the objects say of the volume beside its names and size. */
interface VolumeShape {
  volumeMode: string;
  accessModes: readonly string[];
  /** Empty: none. */
  storageClassName: string;
  /** csi.fsType; absent: the driver's default. */
  fsType?: string;
  /** Absent: the configuration says. */
  protocol?: string;
  /** What no tag says, as `field value`: volumes of before, and file systems, have no such tags. */
  assumed: readonly string[];
}

/**
 * As the tags say. A tag that Kubernetes or this driver would not take counts as none; what it
 * would have said is assumed then.
 */
export function shapeOf({ tags, array }: Pick<Waiting, "tags" | "array">): VolumeShape {
  const assumed: string[] = [];
  const assume = <T>(value: T | undefined, field: string, otherwise: T): T => {
    if (value !== undefined) return value;
    assumed.push(`${field} ${otherwise === "" ? "(none)" : otherwise}`);
    return otherwise;
  };
  const isFile = array.kind === "file";
  const said = (key: keyof typeof OBJECT_TAGS) => tags.get(OBJECT_TAGS[key]);
  const volumeMode = isFile ? "Filesystem" : assume(
    ["Filesystem", "Block"].find((one) => one === said("volumeMode")),
    "volumeMode",
    "Filesystem",
  );
  const modes = said("accessModes")?.split(",") ?? [];
  const areGood = modes.length > 0 && modes.every((one) => Object.hasOwn(CLAIM_ACCESS_MODES, one));
  const accessModes = assume(
    areGood ? modes : undefined,
    "accessModes",
    [isFile ? "ReadWriteMany" : "ReadWriteOnce"],
  );
  const className = said("storageClass");
  const storageClassName = assume(
    className !== undefined && isObjectName(className) ? className : undefined,
    "storageClassName",
    "",
  );
  const [fsTypes, protocols] = [[NOT_NAMED, ...FS_TYPES], [NOT_NAMED, "auto", ...PROTOCOLS]];
  const fsType = volumeMode === "Block" || isFile
    ? NOT_NAMED
    : assume(fsTypes.find((one) => one === said("fsType")), "csi.fsType", NOT_NAMED);
  const protocol = assume(
    protocols.find((one) => one === said("protocol")),
    "csi.volumeAttributes.protocol",
    NOT_NAMED,
  );
  return {
    ...{ volumeMode, accessModes, storageClassName, assumed },
    ...(fsType === NOT_NAMED ? {} : { fsType }),
    ...(protocol === NOT_NAMED ? {} : { protocol }),
  };
}

/** An object for the API server. */
type Manifest = Record<string, unknown>;

/**
 * A PersistentVolume that stays when its claim goes, and its claim if that has a name. `topology`
 * says from where the volume is reached, as for a new one; empty: from everywhere.
 */
export function manifestsOf(
  waiting: Waiting,
  { pv, claim }: Wanted,
  topology: readonly Topology[] = [],
): Manifest[] {
  const { volume, handle, array } = waiting;
  const { accessModes, volumeMode, storageClassName, fsType, protocol } = shapeOf(waiting);
  const storage = String(volume.sizeBytes);
  const common = { accessModes, volumeMode, storageClassName };
  const claimRef = claim && { apiVersion: "v1", kind: "PersistentVolumeClaim", ...claim };
  const volumeAttributes = { backend: array.kind, ...(protocol ? { protocol } : {}) };
  return [
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: pv },
      spec: {
        ...common,
        capacity: { storage },
        persistentVolumeReclaimPolicy: "Retain",
        ...(claimRef ? { claimRef } : {}),
        ...(topology.length > 0 ? { nodeAffinity: affinityTo(topology) } : {}),
        csi: {
          driver: DRIVER,
          volumeHandle: handle,
          ...(fsType ? { fsType } : {}),
          volumeAttributes,
        },
      },
    },
    ...(claim
      ? [{
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: claim,
        spec: { ...common, volumeName: pv, resources: { requests: { storage } } },
      }]
      : []),
  ];
}

/** As csi-provisioner writes it; without it a pod may come to a node that cannot reach the array. */
function affinityTo(topology: readonly Topology[]): Manifest {
  const nodeSelectorTerms = topology.map((place) => ({
    matchExpressions: Object.entries(place).map(([key, value]) => ({
      key,
      operator: "In",
      values: [value],
    })),
  }));
  return { required: { nodeSelectorTerms } };
}

/** What had to be assumed, for a person; undefined when all is known. */
export function assumptionsText(assumed: readonly string[]): string | undefined {
  if (assumed.length === 0) return undefined;
  return `assumed, because the array does not say: ${assumed.join(", ")}; correct the manifest ` +
    "before you apply it if the claim had others";
}

/** The objects as a file for \`kubectl create -f\`; what was assumed stands at its head. */
export function manifestText(objects: readonly Manifest[], assumed: readonly string[]): string {
  const assumptions = assumptionsText(assumed);
  const head = assumptions === undefined
    ? "volumeMode, accessModes and storageClassName are those that the claim had."
    : `${assumptions}.`;
  return `# ${head}\n# kubectl create never writes over an object that is there.\n` +
    objects.map((object) => stringify(object)).join("---\n");
}
