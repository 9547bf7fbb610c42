import type { Component } from "../../conditions/component_rows.ts";

/** One chassis with two controllers, as small as an array can be. */
export const COMPONENTS: readonly Component[] = [
  { name: "CH0", type: "chassis", more: { index: 0, model: "FA-X20R4", serial: "PSMFL00000001" } },
  ...[0, 1].flatMap((number): Component[] => [
    {
      name: `CT${number}`,
      type: "controller",
      more: { index: number, model: "FA-X20R4", serial: `PCTFL0000000${1 + number}` },
    },
    { name: `CT${number}.FAN0`, type: "cooling", more: { index: 0 } },
    { name: `CT${number}.TMP0`, type: "temp_sensor", more: { index: 0, temperature: 27 } },
    { name: `CT${number}.ETH4`, type: "eth_port", more: { index: 4, speed: 25_000_000_000 } },
    { name: `CH0.PWR${number}`, type: "power_supply", more: { index: number, voltage: 230 } },
    { name: `CH0.BAY${number}`, type: "drive_bay", more: { index: number } },
  ]),
];
