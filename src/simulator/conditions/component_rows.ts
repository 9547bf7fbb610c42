import type { Row } from "../filter.ts";

/** A part of an array's hardware. */
export interface Component {
  name: string;
  type: string;
  /** Columns that have a value. */
  more?: Row;
}

/**
 * The rows of GET /hardware: all healthy, none ever changes. `own` is the column that only this
 * kind of array has.
 */
export function componentRows(
  components: readonly Component[],
  own: "part_number" | "voltage",
): { name: string; row: Row }[] {
  return components.map(({ name, type, more = {} }) => ({
    name,
    row: {
      name,
      details: null,
      identify_enabled: false,
      index: null,
      model: null,
      [own]: null,
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
