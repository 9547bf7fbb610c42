import { oneOf, plainText, refuse } from "../parameters/parameter_values.ts";

/** What a class says of volumes that its claims may take in. */
export interface ImportRights {
  /** `allowImport`; absent = false. */
  allowImport?: boolean;
  /** `importNamespaces`: absent = claims of every namespace may. */
  importNamespaces?: readonly string[];
}

/** As Kubernetes names namespaces. */
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The parameters of a class that are about importing. */
export const IMPORT_PARAMETERS = [
  {
    name: "allowImport",
    takes: "one of true, false",
    default: "`false`",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "Whether a claim of the class may name a volume that is on an array already, by the " +
      "annotation `pso.purestorage.com/import`: see [importing](importing.md).",
    example: "true",
    heritage: "New. PSO imported by hand-written PersistentVolumes, which work here too.",
    read(value: string, parameters: ImportRights): void {
      parameters.allowImport = oneOf(this, value, { true: true, false: false });
    },
  },
  {
    name: "importNamespaces",
    takes: "names of namespaces, with commas between",
    default: "claims of every namespace may, once `allowImport` is `true`",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "Only claims of these namespaces may name a volume to import.",
    example: "shop,archive",
    heritage: "New.",
    read(value: string, parameters: ImportRights): void {
      const names = plainText(this, value).split(",").map((name) => name.trim());
      if (!names.every((name) => NAMESPACE.test(name))) throw refuse(this, value.slice(0, 60));
      parameters.importNamespaces = names;
    },
  },
] as const;
