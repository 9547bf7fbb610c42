import type { Component } from "../conditions/component_rows.ts";

/** One chassis with two fabric modules and two blades. */
export const COMPONENTS: readonly Component[] = [
  { name: "CH1", type: "ch", more: { index: 1, serial: "PCHFS00000001" } },
  ...[1, 2].flatMap((number): Component[] => [
    { name: `CH1.FM${number}`, type: "fm", more: { index: number, model: "EFM-110" } },
    { name: `CH1.FM${number}.ETH1`, type: "eth", more: { index: 1, speed: 100_000_000_000 } },
    { name: `CH1.FB${number}`, type: "fb", more: { index: number, model: "FB-8TB" } },
    { name: `CH1.PWR${number}`, type: "pwr", more: { index: number } },
    { name: `CH1.FAN${number}`, type: "fan", more: { index: number } },
  ]),
];
