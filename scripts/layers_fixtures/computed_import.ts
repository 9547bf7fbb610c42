// src/csi/node_service.ts
// the path of an import is written out
const name = "flasharray";
export const array = await import(`../arrays/${name}.ts`);
