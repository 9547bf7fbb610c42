// src/csi/controller_service.ts
// src/csi/ may import base
export const array = await import("../arrays/flasharray.ts");
