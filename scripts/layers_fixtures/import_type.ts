// src/controller/provisioner.ts
// src/controller/ may import base
export type Rest = import("../arrays/rest.ts").Rest;
