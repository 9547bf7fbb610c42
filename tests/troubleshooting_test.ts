// docs/troubleshooting.md has an entry for each message that the driver may put on a claim, a pod or an Event.
import assert from "node:assert/strict";
import { parse as parseYaml } from "@std/yaml";
import ts from "typescript";
import { isProduct, lineOf, readSources, type SourceFile, walk } from "../scripts/source/files.ts";
import { type MessageTemplate, messageTemplates, UNKNOWN } from "../scripts/source/messages.ts";
import { ROOT } from "../scripts/program.ts";
import { UPSTREAM_LEASES } from "../src/kube/obstacles.ts";

/** What only an administrator's commands use: its errors are for their terminal. */
const ADMIN = "admin\\/|kube\\/(exec_plugin|kubeconfig)|net\\/probe\\.";
/** Files whose errors reach a terminal or a log, and never Kubernetes. */
const ELSEWHERE = new RegExp(`^src\\/(${ADMIN}|cli\\/|config\\/|simulator\\/)`);
/** Files whose texts are of those errors alone. */
const TEXTS_ELSEWHERE = new RegExp(`^src\\/(${ADMIN}|cli\\/|simulator\\/)`);
/** Letters of a pattern, so that it means something, and errors that one may stand for. */
const LETTERS_MIN = 8, ERRORS_MAX = 12;
/** Errors whose text is put together from others, each of which has an entry of its own. */
const PUT_TOGETHER = new Set([
  "src/arrays/array.ts", // NothingMadeError has the text of the refusal
  "src/ephemeral/inline_volumes.ts", // what the leader said
  "src/csi/request_check.ts", // the faults of a request, below
  "src/node/scsi/paths.ts", // what each way to address a LUN said
]);
/** What a request may have, in the file that puts it together. */
const REQUEST_FAULTS = "src/csi/request_check.ts";

/** The messages of the page, each with … for what varies. */
function patternsIn(page: string): string[] {
  return [...page.matchAll(/^- `(.+)`$/gm)].map(([, pattern = ""]) => pattern);
}

/** Whether a message is one that the pattern stands for, from its first character to its last. */
function fits(pattern: string, message: string): boolean {
  const parts = pattern.split(UNKNOWN).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(message);
}

function letters(text: string): number {
  return text.replace(/[^a-z]/gi, "").length;
}

/** The templates of a file that say something. */
function templatesIn({ path, tree }: SourceFile): MessageTemplate[] {
  const found: MessageTemplate[] = [];
  walk(tree, (node) => {
    if (!ts.isTemplateExpression(node)) return;
    const rest = node.templateSpans.map(({ literal }) => UNKNOWN + literal.text);
    const text = node.head.text + rest.join("");
    if (letters(text) >= LETTERS_MIN) found.push({ path, line: lineOf(tree, node.pos), text });
  });
  return found;
}

const PAGE = await Deno.readTextFile(`${ROOT}/docs/troubleshooting.md`);
const PATTERNS = patternsIn(PAGE);
const SOURCES = (await readSources(ROOT)).filter(({ path }) => isProduct(path));
const MESSAGES = [
  ...messageTemplates(SOURCES, "PsoError", (path) => !ELSEWHERE.test(path))
    .filter(({ path, text }) =>
      !TEXTS_ELSEWHERE.test(path) && !(text === UNKNOWN && PUT_TOGETHER.has(path))
    ),
  ...SOURCES.filter(({ path }) => path === REQUEST_FAULTS).flatMap(templatesIn),
];

Deno.test("every message of the driver has an entry in the troubleshooting page", () => {
  assert.ok(MESSAGES.length > 250, `only ${MESSAGES.length} messages were found`);
  const missing = MESSAGES.filter(({ text }) => !PATTERNS.some((pattern) => fits(pattern, text)));
  assert.deepEqual(missing.map(({ path, line, text }) => `${path}:${line}: ${text}`), []);
});

Deno.test("every message that the troubleshooting page lists is one of the driver, and not too many", () => {
  assert.ok(PATTERNS.length > 100, "the messages of the page were found");
  const faults: string[] = [];
  for (const pattern of PATTERNS) {
    const meant = MESSAGES.filter(({ text }) => fits(pattern, text));
    if (meant.length === 0) faults.push(`no message is like ${pattern}`);
    const errors = new Set(meant.map(({ path, line }) => `${path}:${line}`));
    if (errors.size > ERRORS_MAX) faults.push(`${errors.size} errors are like ${pattern}`);
    if (letters(pattern) < LETTERS_MIN) faults.push(`too little is said by ${pattern}`);
  }
  assert.deepEqual(faults, []);
  assert.equal(new Set(PATTERNS).size, PATTERNS.length, "no pattern stands twice");
});

Deno.test("every reason of an Event has a row in the troubleshooting page, and each row is one", async () => {
  const mains = [...Deno.readDirSync(ROOT)].map(({ name }) => name).filter(isProduct);
  const files = [
    ...mains,
    ...SOURCES.map(({ path }) => path).filter((path) => /^src\/(kube|arrays\/live)\//.test(path)),
  ];
  const texts = await Promise.all(files.map((path) => Deno.readTextFile(`${ROOT}/${path}`)));
  const reasons = texts.flatMap((text) => [...text.matchAll(/\breason: "([A-Z]\w+)"/g)])
    .map(([, reason = ""]) => reason);
  const [, section = ""] = PAGE.split(/^## Events of .+$/m);
  const table = section.slice(0, section.indexOf("\n## "));
  const rows = [...table.matchAll(/^\| `([A-Z]\w+)` \|/gm)].map(([, reason = ""]) => reason);
  assert.ok(reasons.length > 0, "the reasons were found");
  assert.deepEqual([...new Set(rows)].sort(), [...new Set(reasons)].sort());
});

Deno.test("the policy of docs/security.md keeps every lease that a controller waits for, and no other", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/security.md`);
  const [text = ""] = /apiVersion: admissionregistration[\s\S]*?(?=```)/.exec(page) ?? [];
  const [policy, binding] = text.split(/^---$/m).map((one) =>
    parseYaml(one) as Record<string, Record<string, unknown>>
  );
  const [{ expression = "" } = {}] = policy?.spec?.matchConditions as { expression?: string }[];
  const [, list = ""] = /^has\(object\.metadata\.name\) && object\.metadata\.name in (\[.*\])$/
    .exec(expression) ?? [];
  assert.deepEqual(JSON.parse(list), UPSTREAM_LEASES);
  assert.equal(binding?.spec?.policyName, policy?.metadata?.name);
});

Deno.test("fits() takes a message from its first character to its last", () => {
  assert.ok(fits("volume … is (very) busy: …", "volume a.b is (very) busy: wait"));
  assert.ok(fits("volume … is busy: …", `volume ${UNKNOWN} is busy: ${UNKNOWN}`));
  assert.ok(!fits("volume … is busy: …", "the volume a is busy: wait"));
  assert.ok(!fits("volume … is busy", "volume a is busy: wait"));
});
