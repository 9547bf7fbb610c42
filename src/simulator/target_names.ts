/**
 * What a FlashArray is called by initiators: 16 hex digits that are the same in the IQN and the NQN
 * of one array (arrays.md A5).
 */
export function targetNames(arrayId: string): { iqn: string; nqn: string; serial: string } {
  const digits = arrayId.replaceAll("-", "").slice(-16);
  return {
    iqn: `iqn.2010-06.com.purestorage:flasharray.${digits}`,
    nqn: `nqn.2010-06.com.purestorage:flasharray.${digits}`,
    serial: digits.toUpperCase(),
  };
}
