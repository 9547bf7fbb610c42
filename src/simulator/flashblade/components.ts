import type { Row } from "../filter.ts";

interface Component {
  name: string;
  type: string;
  more?: Row;
}

/** One chassis with two fabric modules and two blades. */
const COMPONENTS: Component[] = [
  { name: "CH1", type: "ch", more: { index: 1, serial: "PCHFS00000001" } },
  ...[1, 2].flatMap((number): Component[] => [
    { name: `CH1.FM${number}`, type: "fm", more: { index: number, model: "EFM-110" } },
    { name: `CH1.FM${number}.ETH1`, type: "eth", more: { index: 1, speed: 100_000_000_000 } },
    { name: `CH1.FB${number}`, type: "fb", more: { index: number, model: "FB-8TB" } },
    { name: `CH1.PWR${number}`, type: "pwr", more: { index: number } },
    { name: `CH1.FAN${number}`, type: "fan", more: { index: number } },
  ]),
];

/** The rows of GET /hardware without their ids: all healthy, none ever changes. */
export function componentRows(): { name: string; row: Row }[] {
  return COMPONENTS.map(({ name, type, more = {} }) => ({
    name,
    row: {
      name,
      details: null,
      identify_enabled: false,
      index: null,
      model: null,
      part_number: null,
      serial: null,
      slot: null,
      speed: null,
      status: "healthy",
      temperature: null,
      type,
      ...more,
    },
  }));
}
