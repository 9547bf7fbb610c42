import type { ArrayLook } from "../check/array_look.ts";

/** What SafeMode, or a part of it, means for what is destroyed: a sentence for each array that has it. */
export function eradicationNotes(
  looks: readonly { array?: { label: string }; status?: Pick<StatusOf, "manualEradication"> }[],
): string[] {
  return looks.flatMap(({ array, status }) => {
    const word = status?.manualEradication;
    if (array === undefined || word === undefined || /^(all-)?enabled$/.test(word)) return [];
    return [
      `array ${array.label}: eradication by hand is ${word} (SafeMode): what is destroyed stays ` +
      "until its time is over, and keeps its room and its name; to whoever tries the array " +
      'answers "Eradication is disabled."',
    ];
  });
}

type StatusOf = NonNullable<ArrayLook["status"]>;
