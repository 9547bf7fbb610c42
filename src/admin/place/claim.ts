// A claim as its file has it, and the class that it names.
import { parse as parseYaml } from "@std/yaml";
import { type Capability, CLAIM_ACCESS_MODES } from "../../capability.ts";
import { IMPORT_ANNOTATION } from "../../controller/import/wish.ts";
import type { ClaimFacts } from "../../controller/placement/spread_group.ts";
import { UsageError } from "../../errors.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import { at, mapAt, nameOf, objectsAt, textAt, textsAt } from "../check/kube_object.ts";
import { bytesOfQuantity } from "../../size.ts";

/** What placement needs of a claim. */
export interface FileClaim {
  name: string;
  facts: ClaimFacts;
  capabilities: Capability[];
  requiredBytes: number;
  /** Absent: the cluster's default class. */
  className?: string;
  /** The class, when the file has it too. */
  storageClass?: KubeObject;
}

/**
 * Reads the claim of a file, and the class if that is in the file too. UsageError for a file
 * without a claim, or with several, and for one that cannot be judged, with the field.
 */
export function readFileClaim(text: string, file: string): FileClaim {
  const objects = documentsOf(text, file);
  const claims = objects.filter(({ kind }) => kind === "PersistentVolumeClaim");
  const [claim] = claims;
  if (!claim || claims.length > 1) {
    throw new UsageError(
      `${file} has ${claims.length} PersistentVolumeClaims, wanted one: give the manifest of one claim`,
    );
  }
  if (at(claim, "spec", "dataSource") || at(claim, "spec", "dataSourceRef")) {
    throw refuse(claim, "spec.dataSource, and is placed where its source is");
  }
  const facts = factsOf(claim);
  if (Object.hasOwn(facts.annotations, IMPORT_ANNOTATION)) {
    throw refuse(claim, `the annotation ${IMPORT_ANNOTATION}, and gets what that names`);
  }
  const storage = at(claim, "spec", "resources", "requests", "storage");
  const requiredBytes = bytesOfQuantity(String(storage ?? "0"));
  if (requiredBytes === undefined) {
    throw refuse(claim, `spec.resources.requests.storage ${JSON.stringify(storage)}`);
  }
  const className = textAt(claim, "spec", "storageClassName");
  const classes = objects.filter(({ kind }) => kind === "StorageClass");
  return {
    name: nameOf(claim),
    facts,
    capabilities: capabilitiesOf(claim),
    requiredBytes,
    ...(className === "" ? {} : { className }),
    storageClass: classes.find((one) => className === "" || nameOf(one) === className),
  };
}

function documentsOf(text: string, file: string): KubeObject[] {
  try {
    return text.split(/^---[^\n]*$/m).map((part) => parseYaml(part)).filter(isObject);
  } catch {
    throw new UsageError(`${file} is no YAML: give the manifest of a PersistentVolumeClaim`);
  }
}

function refuse(claim: KubeObject, what: string): UsageError {
  return new UsageError(
    `claim ${nameOf(claim)} cannot be judged: it has ${what}; give a claim that Kubernetes takes`,
  );
}

function factsOf(claim: KubeObject): ClaimFacts {
  const owner = objectsAt(claim, "metadata", "ownerReferences").find(({ kind }) =>
    kind === "StatefulSet"
  );
  const statefulSet = textAt(owner, "name");
  return {
    namespace: textAt(claim, "metadata", "namespace") || "default",
    annotations: mapAt(claim, "metadata", "annotations"),
    labels: mapAt(claim, "metadata", "labels"),
    ...(statefulSet === "" ? {} : { statefulSet }),
  };
}

function capabilitiesOf(claim: KubeObject): Capability[] {
  const isBlock = textAt(claim, "spec", "volumeMode") === "Block";
  return textsAt(claim, "spec", "accessModes").map((word) => {
    const mode = Object.hasOwn(CLAIM_ACCESS_MODES, word) ? CLAIM_ACCESS_MODES[word] : undefined;
    if (mode === undefined) throw refuse(claim, `spec.accessModes ${JSON.stringify(word)}`);
    return {
      access: isBlock ? { type: "block" } : { type: "mount", fsType: "", mountFlags: [] },
      mode,
    };
  });
}
