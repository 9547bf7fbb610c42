import { deepEqual, equal, throws } from "node:assert/strict";
import { importWishOf, namedOriginalOf } from "./wish.ts";

const IMPORT = "pso.purestorage.com/import";
const AS = "pso.purestorage.com/import-as";
const RECLAIM = "pso.purestorage.com/import-reclaim";

interface Case {
  annotations: Record<string, string>;
  namespace?: string;
  rights?: { allowImport?: boolean; importNamespaces?: string[] };
  hasSource?: boolean;
  deleteImported?: boolean;
}

function wishOf({ annotations, namespace = "shop", ...rest }: Case) {
  return importWishOf({
    claim: { namespace, annotations, labels: {} },
    parameters: { arraySelector: [], claim: {}, ...rest.rights ?? { allowImport: true } },
    hasSource: rest.hasSource ?? false,
    deleteImported: rest.deleteImported ?? true,
  });
}

const READ: { name: string; annotations: Record<string, string>; wish: unknown }[] = [
  { name: "no annotation", annotations: { other: "1" }, wish: undefined },
  {
    name: "a volume",
    annotations: { [IMPORT]: "fa-1/oracle-data" },
    wish: { array: "fa-1", name: "oracle-data", isCopy: false, isKept: true },
  },
  {
    name: "a volume in a volume group, to be deleted with its PersistentVolume",
    annotations: { [IMPORT]: " 4f5b3a1c/group/data ", [RECLAIM]: "delete" },
    wish: { array: "4f5b3a1c", name: "group/data", isCopy: false, isKept: false },
  },
  {
    name: "a copy of a volume in a pod",
    annotations: { [IMPORT]: "fa-1/pod::data", [AS]: "copy" },
    wish: { array: "fa-1", name: "pod::data", isCopy: true, isKept: true },
  },
  {
    name: "a volume that is kept by its annotation",
    annotations: { [IMPORT]: "fa-1/data", [RECLAIM]: "retain" },
    wish: { array: "fa-1", name: "data", isCopy: false, isKept: true },
  },
];
for (const { name, annotations, wish } of READ) {
  Deno.test(`importWishOf() reads ${name}`, () => deepEqual(wishOf({ annotations }), wish));
}

const REFUSED: { name: string; asking: Case; message: RegExp }[] = [
  {
    name: "a class that does not allow it",
    asking: { annotations: { [IMPORT]: "fa-1/data" }, rights: {} },
    message: /in namespace shop .*its class has no allowImport "true"/,
  },
  {
    name: "a class that says false",
    asking: { annotations: { [IMPORT]: "fa-1/data" }, rights: { allowImport: false } },
    message: /no allowImport "true"/,
  },
  {
    name: "a namespace that the class does not list",
    asking: {
      annotations: { [IMPORT]: "fa-1/data" },
      rights: { allowImport: true, importNamespaces: ["archive"] },
    },
    message: /importNamespaces of its class does not have this namespace/,
  },
  {
    name: "a name without its array",
    asking: { annotations: { [IMPORT]: "data" } },
    message: /import: "data", wanted <array>\/<name/,
  },
  {
    name: "several names",
    asking: { annotations: { [IMPORT]: "fa-1/a,b" } },
    message: /import: "fa-1\/a,b", wanted/,
  },
  {
    name: "another way than a copy",
    asking: { annotations: { [IMPORT]: "fa-1/data", [AS]: "Copy" } },
    message: /import-as: "Copy", wanted copy/,
  },
  {
    name: "another word for its end",
    asking: { annotations: { [IMPORT]: "fa-1/data", [RECLAIM]: "recycle" } },
    message: /import-reclaim: "recycle", wanted retain or delete/,
  },
  {
    name: "a copy with an end of its own",
    asking: { annotations: { [IMPORT]: "fa-1/data", [AS]: "copy", [RECLAIM]: "retain" } },
    message: /a copy goes by the reclaimPolicy of its class/,
  },
  {
    name: "how without what",
    asking: { annotations: { [AS]: "copy" } },
    message: /import-as without pso.purestorage.com\/import:/,
  },
  {
    name: "a data source besides",
    asking: { annotations: { [IMPORT]: "fa-1/data" }, hasSource: true },
    message: /dataSource and the annotation/,
  },
  {
    name: "a delete where imported volumes are never destroyed",
    asking: { annotations: { [IMPORT]: "fa-1/data", [RECLAIM]: "delete" }, deleteImported: false },
    message: /deleteImported is false/,
  },
];
for (const { name, asking, message } of REFUSED) {
  Deno.test(`importWishOf() refuses ${name}`, () => {
    throws(() => wishOf(asking), { code: "invalid", message });
  });
}

Deno.test("importWishOf() of a claim that nobody can read asks for nothing", () => {
  const parameters = { arraySelector: [], claim: {}, allowImport: true };
  const asking = { claim: undefined, parameters, hasSource: false, deleteImported: true };
  equal(importWishOf(asking), undefined);
});

Deno.test("namedOriginalOf() names no copy and nothing of a wrong annotation", () => {
  deepEqual(namedOriginalOf({ [IMPORT]: "fa-1/data" }), { array: "fa-1", name: "data" });
  equal(namedOriginalOf({ [IMPORT]: "fa-1/data", [AS]: "copy" }), undefined);
  equal(namedOriginalOf({ [IMPORT]: "fa-1" }), undefined);
  equal(namedOriginalOf({}), undefined);
});
