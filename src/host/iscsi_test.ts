import { deepEqual, equal, rejects } from "node:assert/strict";
import { PsoError } from "../errors.ts";
import type { Run } from "../run.ts";
import { Secret } from "../secret.ts";
import type { Host } from "./host.ts";
import { type IscsiPortal, login, type LoginOptions } from "./iscsi.ts";

const TARGET = { iqn: "iqn.2010-06.com.purestorage:flasharray.1", portal: "192.0.2.1:3260" };
const OPTIONS: LoginOptions = { timeoutSeconds: 20, replacementSeconds: 20 };
/** iscsiadm(8): a session goes by it; no record found. */
const [SESSION_EXISTS, NOTHING_FOUND] = [15, 21];
/** What iscsiadm ends with for a record of an interface that is not there. */
const NO_INTERFACE = 3;

/**
 * A host whose iscsid does what it is told: iscsiadm's answers as seen with 2.1.8, sessions in a
 * sysfs tree.
 */
class IscsiHost {
  readonly host: Host;
  readonly #root: string;
  #sessions = 0;
  /** Portal → settings of its node record. */
  readonly records = new Map<string, Map<string, string>>();
  hasInterface = true;

  private constructor(root: string) {
    this.#root = root;
    this.host = { root, namespaces: "direct", run: this.#run };
  }

  static async use(work: (host: IscsiHost) => Promise<void>): Promise<void> {
    const root = await Deno.makeTempDir({ prefix: "pso-iscsi-" });
    try {
      await work(new IscsiHost(root));
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  }

  async addSession({ iqn, portal }: IscsiPortal): Promise<void> {
    const number = ++this.#sessions;
    const [address = "", port = ""] = portal.split(":");
    const classes = `${this.#root}/sys/class`;
    const device =
      `${this.#root}/sys/devices/platform/host${number}/session${number}/iscsi_session/session${number}`;
    for (
      const folder of [
        device,
        `${classes}/iscsi_session`,
        `${classes}/iscsi_connection/connection${number}:0`,
      ]
    ) {
      await Deno.mkdir(folder, { recursive: true });
    }
    await Deno.symlink(device, `${classes}/iscsi_session/session${number}`);
    const facts = { targetname: iqn, state: "LOGGED_IN", ifacename: "pure-csi", target_id: "0" };
    for (const [file, value] of Object.entries(facts)) {
      await Deno.writeTextFile(`${device}/${file}`, `${value}\n`);
    }
    for (
      const [file, value] of Object.entries({ persistent_address: address, persistent_port: port })
    ) {
      await Deno.writeTextFile(
        `${classes}/iscsi_connection/connection${number}:0/${file}`,
        `${value}\n`,
      );
    }
  }

  #run: Run = async (_tool, args, options) => {
    const code = await this.#answer(args);
    if ((options?.okCodes ?? [0]).includes(code)) return { code, stdout: "", stderr: "" };
    throw new PsoError("unavailable", `iscsiadm ${args.join(" ")} ended with code ${code}`);
  };

  async #answer(args: string[]): Promise<number> {
    if (args.includes("iface")) {
      this.hasInterface = true;
      return this.#sessions > 0 ? SESSION_EXISTS : 0;
    }
    const portal = args[args.indexOf("-p") + 1] ?? "";
    const record = this.records.get(portal);
    if (args.includes("--login")) {
      if (record) await this.addSession({ iqn: args[args.indexOf("-T") + 1] ?? "", portal });
      return record ? 0 : NOTHING_FOUND;
    }
    if (args.includes("delete")) return this.records.delete(portal) ? 0 : NOTHING_FOUND;
    if (args.includes("new") && !this.hasInterface) return NO_INTERFACE;
    if (args.includes("new")) this.records.set(portal, new Map());
    if (args.includes("update") && !record) return NOTHING_FOUND;
    args.forEach((word, index) =>
      word === "-n" && record?.set(args[index + 1] ?? "", args[index + 3] ?? "")
    );
    return 0;
  }
}

Deno.test("login() makes the driver's interface on a host that lacks it", () =>
  IscsiHost.use(async (iscsi) => {
    iscsi.hasInterface = false;
    equal((await login(iscsi.host, TARGET, OPTIONS)).isOurs, true);
    equal(iscsi.hasInterface, true);
  }));

Deno.test("login() to a portal works while a session to another one goes by our interface", () =>
  IscsiHost.use(async (iscsi) => {
    await iscsi.addSession({
      iqn: "iqn.2010-06.com.purestorage:flasharray.2",
      portal: "192.0.2.9:3260",
    });
    const session = await login(iscsi.host, TARGET, OPTIONS);
    deepEqual([session.iqn, session.address, session.isOurs], [TARGET.iqn, "192.0.2.1", true]);
    deepEqual(await login(iscsi.host, TARGET, OPTIONS), session, "again, it is used");
  }));

Deno.test("login() keeps the credentials of a record when it is told to, and writes those that it is given", () =>
  IscsiHost.use(async (iscsi) => {
    const password = "node.session.auth.password";
    iscsi.records.set(TARGET.portal, new Map([[password, "from-before"]]));
    await login(iscsi.host, TARGET, { ...OPTIONS, chap: "kept" });
    equal(iscsi.records.get(TARGET.portal)?.get(password), "from-before");
    equal(iscsi.records.get(TARGET.portal)?.get("node.session.scan"), "manual");
    const other = { ...TARGET, portal: "192.0.2.2:3260" };
    iscsi.records.set(other.portal, new Map([[password, "from-before"]]));
    await login(iscsi.host, other, {
      ...OPTIONS,
      chap: { host: { user: "node", password: new Secret("given-now-1234") } },
    });
    equal(iscsi.records.get(other.portal)?.get(password), "given-now-1234");
  }));

Deno.test("login() refuses what is no portal", () =>
  IscsiHost.use(async (iscsi) => {
    await rejects(login(iscsi.host, { ...TARGET, portal: "192.0.2.1:3260:1" }, OPTIONS), {
      code: "invalid",
    });
  }));
