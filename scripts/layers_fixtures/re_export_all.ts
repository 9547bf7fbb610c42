// src/simulator/fleet.ts
// src/simulator/ and src/arrays/ never meet
export * from "../arrays/array.ts";
