// src/simulator/flasharray_test.ts
// never meet, in tests neither
import { FlashArray } from "../arrays/flasharray.ts";

export const array = FlashArray;
