import { PsoError } from "../../errors.ts";
import type { ExportChange } from "../array.ts";
import {
  areEqual,
  type ExportRule,
  formatRules,
  isOwnRule,
  parseRules,
  withAddresses,
} from "./export_rules.ts";

/** New rules, and what they are for. */
interface RuleChange extends ExportChange {
  /** The file system in messages. */
  shown: string;
  /** The export policy that the file system has besides. */
  policy?: string;
}

/**
 * The rules after an administrator's were changed: the driver's own stay, and so does the access of
 * every node that uses the file system. `invalid` when the new ones cannot be told from the
 * driver's own, or an export policy decides in their place. `in_use` when a rule would go and
 * nobody knows whom it lets in now: that machine's pods would hang.
 */
export function changedRules(
  rules: readonly ExportRule[],
  { rules: text, users, areAllUsersKnown, shown, policy }: RuleChange,
): ExportRule[] {
  const wanted = parseRules(text);
  const isThere = (rule: ExportRule) => rules.some((one) => areEqual([one], [rule]));
  const likeOurs = wanted.find((rule) => isOwnRule(rule) && !isThere(rule));
  if (likeOurs) {
    throw new PsoError(
      "invalid",
      `exportrules has the rule ${
        formatRules([likeOurs])
      }, which ${shown} cannot keep: the driver ` +
        "writes such rules for its nodes and takes them away with them; wanted is a network, as " +
        `${likeOurs.client}/${likeOurs.client.includes(":") ? 128 : 32}, or other options`,
    );
  }
  if (policy !== undefined && rules.length === 0) {
    throw new PsoError(
      "invalid",
      `exportrules cannot be set: the export policy ${policy} of the array says who may mount ` +
        `${shown}; change the policy, or take it away from the file system`,
    );
  }
  const own = rules.filter(isOwnRule);
  const dropped = rules.filter((rule) =>
    !isOwnRule(rule) && !wanted.some((one) => areEqual([one], [rule]))
  );
  if (dropped.length > 0 && !areAllUsersKnown) {
    throw new PsoError(
      "in_use",
      `exportrules would take ${
        formatRules(dropped)
      } away from ${shown}, and the controller does ` +
        "not know every machine that uses it: it did not make the file system, or was started " +
        "again since; keep the rule in the class, or change the rules on the array",
    );
  }
  const next = [...own, ...wanted.filter((rule) => !isOwnRule(rule))];
  if (dropped.length === 0) return next;
  return users.filter(({ readOnly }) => !isOpenToAll(wanted, readOnly)).reduce<ExportRule[]>(
    (all, { node, readOnly }) => withAddresses(all, node.addresses, { readOnly }),
    next,
  );
}

/** Whether a rule for `*` lets every machine do what a user needs. */
function isOpenToAll(rules: readonly ExportRule[], readOnly: boolean): boolean {
  return rules.some(({ client, options }) =>
    client === "*" && (readOnly || options.split(",").includes("rw"))
  );
}
