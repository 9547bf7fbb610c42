// src/config.ts
// src/*.ts is the base and imports no folder
export { FlashArray } from "./arrays/flasharray.ts";
