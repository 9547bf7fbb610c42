// src/errors.ts
// src/*.ts is base and imports only base
export { FlashArray } from "./arrays/flasharray.ts";
