/** The names of a FlashArray's targets. */
interface TargetNames {
  iqn: string;
  nqn: string;
  /** 16 hex digits, the same in the IQN and the NQN. */
  serial: string;
}

/** The names by which initiators know a FlashArray. They follow from its id, and never change. */
export function targetNames(arrayId: string): TargetNames {
  const digits = arrayId.replaceAll("-", "").slice(-16);
  return {
    iqn: `iqn.2010-06.com.purestorage:flasharray.${digits}`,
    nqn: `nqn.2010-06.com.purestorage:flasharray.${digits}`,
    serial: digits.toUpperCase(),
  };
}
