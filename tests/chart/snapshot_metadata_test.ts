// Changed blocks in the chart: the certificate and what is kept of it, and what is refused.
import { deepEqual, equal, match, notDeepEqual } from "node:assert/strict";
import { NEW_KEY, openssl } from "../support/openssl.ts";
import { valuesOf, withCluster } from "./cluster_bed.ts";
import {
  ADDONS,
  type ApiServer,
  CHART,
  definitions,
  type Helm,
  HELMS,
  type KubeObject,
  NAMESPACE,
  objectsOf,
  RELEASE,
  render,
} from "./helm.ts";
import { Rendered } from "./rendered.ts";

const HOST = `pure-csi-snapshot-metadata.${NAMESPACE}.svc`;
const KIND = "snapshotmetadataservices.cbt.storage.k8s.io";
const OWN_SECRET = "pure-csi-snapshot-metadata-tls";
const ON = ["--set", "snapshotMetadata.enabled=true"];

/** What Helm says of these settings where it sees no cluster. */
async function unseen(
  which: Helm,
  { addons, settings }: { addons: string[]; settings: string[] },
): Promise<string> {
  const args = [...ON, ...settings.flatMap((one) => ["--set-string", one])];
  const { code, stderr } = await render(which, { file: valuesOf("none"), addons, args });
  return code === 0 ? "" : stderr;
}

for (const which of HELMS) {
  Deno.test(`${which} without a cluster: no certificate is made that nobody keeps`, async () => {
    const said = await unseen(which, { addons: ADDONS, settings: [] });
    match(said, /no cluster is seen in which the certificate .* each rendering would make another/);
    match(said, /helm upgrade … --set snapshotMetadata\.tlsSecret=NAME --set-file/);
    const named = ["snapshotMetadata.tlsSecret=mine"];
    match(
      await unseen(which, { addons: ADDONS, settings: named }),
      /names the Secret mine in namespace pso, and who signed its certificate is not known/,
    );
    const whole = "-----BEGIN CERTIFICATE-----x-----END CERTIFICATE-----";
    const settings = [...named, `snapshotMetadata.caCert=${whole}`];
    equal(await unseen(which, { addons: ADDONS, settings }), "");
    match(
      await unseen(which, { addons: ADDONS.slice(0, 1), settings }),
      /has no kind SnapshotMetadataService .*\(`helm template` is told of it by --api-versions/,
    );
    match(
      await unseen(which, { addons: ADDONS.slice(-1), settings }),
      /this release takes no snapshots: csi\.snapshotter\.enabled is false, or the cluster has no/,
    );
  });
}

Deno.test("a certificate that is missing keeps no controller from starting: only the sidecar has it", async () => {
  const { stdout } = await render("helm4", { file: valuesOf("full"), addons: ADDONS });
  const all = new Rendered(objectsOf(stdout));
  const { volumes, containers } = all.pod("controllerServer");
  const volume = volumes.find(({ name }: KubeObject) => name === "metadata-tls");
  equal(volume.secret.optional, true);
  const users = (name: string) =>
    containers.filter(({ volumeMounts = [] }: KubeObject) =>
      volumeMounts.some((mount: KubeObject) => mount.name === name)
    ).map((one: KubeObject) => one.name);
  deepEqual(users("metadata-tls"), ["csi-snapshot-metadata"]);
  deepEqual(users("metadata-socket"), ["driver", "csi-snapshot-metadata"]);
});

/** A release on its way: each step finds what the one before left. */
interface Bed {
  server: ApiServer;
  which: Helm;
}

type Step = readonly [string, (bed: Bed) => Promise<void>];

/** Installs or upgrades with the service switched on, and gives back what Helm printed. */
async function released({ server, which }: Bed, ...settings: string[]): Promise<string> {
  const { code, stdout, stderr } = await server.helm(
    which,
    ...["upgrade", "--install", RELEASE, CHART, "-f", valuesOf("none"), ...ON, ...settings],
  );
  equal(code, 0, stderr);
  return stdout;
}

/** What Helm refuses with; nothing of the release is there, or it is as before. */
async function refused({ server, which }: Bed, ...settings: string[]): Promise<string> {
  const before = await server.names("secrets,services,deployments");
  const { code, stderr } = await server.helm(
    which,
    ...["upgrade", "--install", RELEASE, CHART, "-f", valuesOf("none"), ...ON, ...settings],
  );
  equal(code, 1);
  deepEqual(await server.names("secrets,services,deployments"), before);
  return stderr;
}

const secretOf = async (server: ApiServer, name: string): Promise<KubeObject> =>
  (await server.get("secret", name, "-n", NAMESPACE)).data;

const serviceOf = async (server: ApiServer): Promise<KubeObject> =>
  (await server.get(KIND, "pure-csi")).spec;

/** Writes what the Secret has into files, by the names of its keys. */
async function filesOf(server: ApiServer, data: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(data)) {
    await Deno.writeTextFile(`${server.dir}/${name}`, atob(text));
  }
}

let kept: Record<string, string> = {};

const STEPS: readonly Step[] = [
  ["refused while the cluster has not the kind", async (bed) => {
    const { server } = bed;
    await server.kubectl("delete", "crd", KIND);
    const said = await refused(bed);
    match(
      said,
      /the cluster has no kind SnapshotMetadataService of cbt\.storage\.k8s\.io\/v1beta1/,
    );
    match(said, /kubectl apply -f client\/config\/crd\/cbt\.storage\.k8s\.io_snapshotmetadata/);
    await server.kubectl("apply", "--server-side", "-f", definitions());
    await server.kubectl("wait", "--for=condition=Established", "crd", KIND, "--timeout=60s");
  }],
  ["refused without snapshots", async (bed) => {
    match(
      await refused(bed, "--set", "csi.snapshotter.enabled=false"),
      /this release takes no snapshots: csi\.snapshotter\.enabled is false/,
    );
  }],
  ["the chart's certificate is for the address that is told", async (bed) => {
    const { server } = bed;
    await released(bed);
    const { address, audience, caCert } = await serviceOf(server);
    deepEqual([address, audience], [`${HOST}:50051`, HOST]);
    kept = await secretOf(server, OWN_SECRET);
    deepEqual(Object.keys(kept).sort(), ["ca.crt", "tls.crt", "tls.key"]);
    equal(caCert, kept["ca.crt"]);
    await filesOf(server, kept);
    for (const host of [HOST, `pure-csi-snapshot-metadata.${NAMESPACE}`]) {
      await openssl(
        server.dir,
        [
          "verify",
          "-CAfile",
          "ca.crt",
          "-verify_hostname",
          host,
          "-purpose",
          "sslserver",
          "tls.crt",
        ],
      );
    }
  }],
  ["what is there is kept by an upgrade, and the pods stay as they are", async (bed) => {
    const { server } = bed;
    const template = async () =>
      (await server.get("deployment", "pure-provisioner", "-n", NAMESPACE)).spec.template;
    const before = await template();
    await released(bed, "--set", "app.debug=true");
    deepEqual(await secretOf(server, OWN_SECRET), kept);
    equal((await serviceOf(server)).caCert, kept["ca.crt"]);
    deepEqual(await template(), before);
  }],
  ["a Secret that was deleted is made anew", async (bed) => {
    const { server } = bed;
    await server.kubectl("delete", "secret", OWN_SECRET, "-n", NAMESPACE);
    await released(bed);
    const made = await secretOf(server, OWN_SECRET);
    notDeepEqual(made, kept);
    equal((await serviceOf(server)).caCert, made["ca.crt"]);
  }],
  ["the accounts may ask what the sidecar must know, and no more", async ({ server }) => {
    const can = async (account: string, ...what: string[]) => {
      const as = ["--as", `system:serviceaccount:${NAMESPACE}:${account}`, "--all-namespaces"];
      return (await server.try("kubectl", "auth", "can-i", ...what, ...as)).stdout.trim();
    };
    for (
      const kind of [
        "tokenreviews.authentication.k8s.io",
        "subjectaccessreviews.authorization.k8s.io",
      ]
    ) {
      deepEqual([await can("pure", "create", kind), await can("pure-node", "create", kind)], [
        "yes",
        "no",
      ]);
    }
    for (const verb of ["list", "create", "delete"]) equal(await can("pure", verb, KIND), "no");
    // The sidecar's flag --audience does nothing in v1.1.0.
    equal(await can("pure", "get", `${KIND}/pure-csi`), "yes");
    equal(await can("pure", "get", `${KIND}/other`), "no");
    equal(await can("pure", "get", "volumesnapshotclasses.snapshot.storage.k8s.io"), "yes");
  }],
  ["a Secret of one's own: who signed it is read there, or given", async (bed) => {
    const { server } = bed;
    const named = ["--set", "snapshotMetadata.tlsSecret=mine"];
    const authority = ["--set-file", `snapshotMetadata.caCert=${server.dir}/ca.crt`];
    match(
      await refused(bed, ...named),
      /names the Secret mine in namespace pso, and who signed it/,
    );
    match(
      await released(bed, ...named, ...authority),
      /Secret mine, which snapshotMetadata\.tlsSecret names, does not exist\. .* secret tls mine/,
    );
    equal((await serviceOf(server)).caCert, kept["ca.crt"]);
    equal((await server.names("secrets")).includes(`secret/${OWN_SECRET}`), false);
    await openssl(server.dir, [
      ...["req", "-x509", ...NEW_KEY, "-subj", "/CN=mine", "-addext", `subjectAltName=DNS:${HOST}`],
      ...["-keyout", "mine.key", "-out", "mine.crt"],
    ]);
    await server.kubectl(
      ...["create", "secret", "generic", "mine", "-n", NAMESPACE],
      ...["tls.crt=mine.crt", "tls.key=mine.key", "ca.crt=mine.crt"].map((one) =>
        `--from-file=${one.replace("=", `=${server.dir}/`)}`
      ),
    );
    equal((await released(bed, ...named)).includes("does not exist"), false);
    equal((await serviceOf(server)).caCert, (await secretOf(server, "mine"))["ca.crt"]);
    // What the values say counts before what is in the Secret.
    await released(bed, ...named, ...authority);
    equal((await serviceOf(server)).caCert, kept["ca.crt"]);
  }],
  [
    "uninstall takes the service and the chart's certificate away, and no Secret of others",
    async (bed) => {
      const { server, which } = bed;
      await released(bed);
      equal((await server.helm(which, "uninstall", RELEASE)).code, 0);
      deepEqual(await server.names(KIND), []);
      const left = await server.names("secrets");
      deepEqual(left.filter((name) => /metadata|mine/.test(name)), ["secret/mine"]);
      await server.kubectl("delete", "secret", "mine", "-n", NAMESPACE);
    },
  ],
];

for (const which of HELMS) {
  Deno.test(`${which} on an API server: changed blocks, and their certificate`, (t) =>
    withCluster(async (server) => {
      for (const [name, step] of STEPS) await t.step(name, () => step({ server, which }));
    }));
}
