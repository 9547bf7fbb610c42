import type { Row } from "../../filter.ts";

interface Component {
  name: string;
  type: string;
  more?: Row;
}

/** One chassis with two controllers, as small as an array can be. */
const COMPONENTS: Component[] = [
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

/** The rows of GET /hardware: all healthy, none ever changes. */
export function componentRows(): { name: string; row: Row }[] {
  return COMPONENTS.map(({ name, type, more = {} }) => ({
    name,
    row: {
      name,
      details: null,
      identify_enabled: false,
      index: null,
      model: null,
      serial: null,
      slot: null,
      speed: null,
      status: "healthy",
      temperature: null,
      type,
      voltage: null,
      ...more,
    },
  }));
}
