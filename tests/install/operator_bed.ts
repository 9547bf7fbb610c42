/** The operator's scripts on a real API server without nodes, and helm-operator with the rights of its account. */
import { equal } from "node:assert/strict";
import { stringify } from "@std/yaml";
import { Child } from "../../scripts/child.ts";
import { type Ran, runTool, tryTool } from "../../scripts/shell.ts";
import { readRecord } from "../../src/admin/takeover/helm_release.ts";
import { withApiServer } from "../chart/api_server.ts";
import { CHART, type KubeObject } from "../chart/helm.ts";
import { buildKube } from "../support/kube.ts";
import { manifest, OPERATOR } from "../support/operator_files.ts";

/** Where the operator is installed in the tests. */
export const NAMESPACE = "pso";
/** The one PSOPlugin, and its release. */
export const PLUGIN = "psoplugin-operator";

const BINARY = "helm-operator";

export class OperatorBed {
  readonly log: string;

  private constructor(readonly dir: string, readonly env: Record<string, string>) {
    this.log = `${dir}/operator.log`;
  }

  /** A control plane for as long as the test runs. */
  static async run(test: (bed: OperatorBed) => Promise<void>): Promise<void> {
    await buildKube(BINARY);
    const dir = await Deno.makeTempDir({ prefix: "k-" });
    try {
      await withApiServer((env) => test(new OperatorBed(dir, env)));
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  }

  /** Runs a script of deploy/operator. */
  async script(name: string, ...args: string[]): Promise<Ran> {
    return await tryTool(`${OPERATOR}/${name}.sh`, args, { env: this.env });
  }

  /** Runs one that must succeed; gives back what it said. */
  async done(name: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.script(name, ...args);
    equal(code, 0, `${name}.sh ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Runs one that must refuse with this code; gives back why. */
  async refused(code: number, name: string, ...args: string[]): Promise<string> {
    const ran = await this.script(name, ...args);
    equal(ran.code, code, `${name}.sh ${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.stderr;
  }

  /** Writes a values file; gives back its path. */
  async values(values: KubeObject | string): Promise<string> {
    const file = await Deno.makeTempFile({ dir: this.dir, suffix: ".yaml" });
    await Deno.writeTextFile(file, typeof values === "string" ? values : stringify(values));
    return file;
  }

  async kubectl(...args: string[]): Promise<string> {
    return await runTool("kubectl", ["-n", NAMESPACE, ...args], { env: this.env });
  }

  /** The object; undefined when there is none. */
  async find(...args: string[]): Promise<KubeObject | undefined> {
    const text = await this.kubectl("get", "--ignore-not-found", "-o", "json", ...args);
    return text === "" ? undefined : JSON.parse(text);
  }

  async create(...items: KubeObject[]): Promise<void> {
    const file = await Deno.makeTempFile({ dir: this.dir, suffix: ".json" });
    await Deno.writeTextFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await runTool("kubectl", ["apply", "-f", file], { env: this.env });
  }

  /** The message of a condition of the PSOPlugin that is True; undefined while it is not. */
  async condition(type: string): Promise<string | undefined> {
    const plugin = await this.find("psoplugin", PLUGIN);
    return plugin?.status?.conditions?.find((one: KubeObject) =>
      one.type === type && one.status === "True"
    )?.message;
  }

  /** Every object of the cluster by kind and name, but Events. */
  async everything(): Promise<string[]> {
    const kinds = (await this.kubectl("api-resources", "--verbs=list", "-o", "name")).split("\n")
      .filter((kind) => kind !== "" && !/^events(\.|$)|^componentstatuses/.test(kind));
    const text = await this.kubectl(
      ...["get", kinds.join(","), "-A", "-o"],
      'go-template={{range .items}}{{.kind}} {{.metadata.namespace}}/{{.metadata.name}}{{"\\n"}}{{end}}',
    );
    return text.split("\n").filter((line) => line !== "").sort();
  }

  /**
   * Runs helm-operator beside the cluster as the Deployment says, with the token of its account.
   * Ends it after the work.
   */
  async withOperator(work: () => Promise<void>): Promise<void> {
    const [deployment] = await manifest("deployment");
    const { serviceAccountName: account, containers } = deployment.spec.template.spec;
    const given: string[] = containers[0].args;
    const watches = await Deno.readTextFile(`${OPERATOR}/image/watches.yaml`);
    await Deno.writeTextFile(
      `${this.dir}/watches.yaml`,
      watches.replace("/opt/pso/pure-csi", CHART).replace("60s", "10s"),
    );
    const args = [
      ...given.filter((arg) => !/^--(watches-file|health-probe-bind-address)=/.test(arg)),
      `--watches-file=${this.dir}/watches.yaml`,
      "--health-probe-bind-address=0",
      `--leader-election-namespace=${NAMESPACE}`,
    ];
    const env = {
      ...this.env,
      KUBECONFIG: await this.kubeconfigOf(account),
      WATCH_NAMESPACE: NAMESPACE,
      HOME: this.dir,
    };
    const child = Child.start("helm-operator", { command: BINARY, args }, {
      env,
      log: this.log,
      mark: this.dir,
    });
    try {
      await work();
    } finally {
      await child.stop(10_000);
    }
  }

  /** A kubeconfig with nothing but a token of a service account. */
  async kubeconfigOf(account: string): Promise<string> {
    const view = ["config", "view", "--raw", "--minify", "-o", "json"];
    const config = JSON.parse(await this.kubectl(...view));
    const token = (await this.kubectl("create", "token", account, "--duration=1h")).trim();
    config.users[0].user = { token };
    const file = `${this.dir}/kubeconfig-${account}`;
    await Deno.writeTextFile(file, JSON.stringify(config));
    return file;
  }

  /** All that Helm and the API server keep of the installation, but the Secret with the arrays, as text. */
  async kept(): Promise<string> {
    const secrets = JSON.parse(
      await this.kubectl(
        "get",
        "secrets",
        "--field-selector=type=helm.sh/release.v1",
        "-o",
        "json",
      ),
    ).items;
    equal(secrets.length > 0, true, "Helm has a record");
    const records = secrets.map((secret: KubeObject) => readRecord(secret).json);
    return [...records, JSON.stringify(await this.find("psoplugin", PLUGIN))].join("\n");
  }
}
