import assert from "node:assert/strict";
import { UsageError } from "../errors.ts";
import { parseCommandLine } from "./cli.ts";
import { parseListenAddress } from "./flag_values.ts";
import { FLAGS, helpText, MODES } from "./flags.ts";
import { VERSION } from "../version.ts";

const SOCKET = "unix:///csi/csi.sock";

function parse(line: string, env: Record<string, string> = {}) {
  const args = line.split(" ").filter((word) => word !== "");
  return parseCommandLine(args, {
    env: (name) => env[name],
    hostname: () => "host-7",
    version: "1.2.3",
    verbs: [{ name: "check", meaning: "looks at something" }],
  });
}

Deno.test("parseCommandLine() reads the lease of a controller, and names its pod", () => {
  const leaderOf = (more: string) => {
    const command = parse(`controller --endpoint ${SOCKET} ${more}`, { POD_NAME: "pso-7d9-x2" });
    return command.mode === "controller" ? command.leader : undefined;
  };
  assert.equal(leaderOf(""), undefined);
  assert.deepEqual(leaderOf("--lease pso/pso.leader"), {
    lease: { namespace: "pso", name: "pso.leader" },
    pod: "pso-7d9-x2",
  });
  assert.deepEqual(leaderOf("--lease pso/leader --release pso/one"), {
    lease: { namespace: "pso", name: "leader" },
    pod: "pso-7d9-x2",
    release: "pso/one",
  });
});

Deno.test("parseCommandLine() reads which objects hold a controller's configuration", () => {
  const clusterOf = (more: string, env = {}) => {
    const command = parse(`controller --endpoint ${SOCKET} ${more}`, env);
    if (command.mode !== "controller") throw new Error(command.mode);
    return { configFrom: command.configFrom, kube: command.kube };
  };
  assert.deepEqual(clusterOf(""), { configFrom: [], kube: undefined });
  assert.deepEqual(
    clusterOf("--kube-config-from pso/secret/arrays --kube-config-from pso/ConfigMap/app/all.yaml"),
    {
      configFrom: [
        { kind: "Secret", namespace: "pso", name: "arrays", key: "pure.json" },
        { kind: "ConfigMap", namespace: "pso", name: "app", key: "all.yaml" },
      ],
      kube: { credentials: "/var/run/secrets/kubernetes.io/serviceaccount" },
    },
  );
  const env = { POD_NAME: "pso-1", POD_UID: "u-1" };
  const secret = "--kube-config-from pso/secret/arrays --kube-credentials /token";
  assert.deepEqual(clusterOf(secret, env).kube, {
    credentials: "/token",
    pod: { namespace: "pso", name: "pso-1", uid: "u-1" },
  });
  assert.equal(clusterOf(secret, { ...env, POD_NAMESPACE: "own" }).kube?.pod?.namespace, "own");
});

Deno.test("parseCommandLine() refuses objects that cannot hold the configuration", () => {
  const cases: [string, RegExp][] = [
    [
      "pso/arrays",
      /is "pso\/arrays", wanted NAMESPACE\/secret\/NAME or NAMESPACE\/configmap\/NAME/,
    ],
    ["pso/secrets/arrays", /wanted .*: did you mean secret\?/],
    ["PSO/secret/arrays", /wanted/],
    ["pso/secret/arrays/a b/c", /wanted|Unknown argument/],
    [
      "pso/secret/a --kube-config-from pso/secret/b",
      /names two objects of the kind Secret: keep one/,
    ],
    ["pso/secret/a -f values.yaml", /-f and --kube-config-from both name a configuration/],
  ];
  for (const [flags, message] of cases) {
    const line = `controller --endpoint ${SOCKET} --kube-config-from ${flags}`;
    assert.throws(() => parse(line), message, flags);
  }
});

Deno.test("parseCommandLine() refuses a lease that cannot be, and flags without one", () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ["--lease leader", { POD_NAME: "p" }, /--lease is "leader", wanted NAMESPACE\/NAME/],
    ["--lease a/b/c", { POD_NAME: "p" }, /wanted NAMESPACE\/NAME/],
    ["--lease A/b", { POD_NAME: "p" }, /wanted NAMESPACE\/NAME/],
    ["--lease a/b", {}, /POD_NAME is "": set it from the field metadata.name/],
    ["--lease a/b", { POD_NAME: "a_b" }, /POD_NAME is "a_b"/],
    ["--release a/b", {}, /--release is for a controller with a lease only: add --lease/],
    ["--kube-credentials /x", {}, /--kube-credentials is for a controller that asks/],
  ];
  for (const [flags, env, message] of cases) {
    assert.throws(() => parse(`controller --endpoint ${SOCKET} ${flags}`, env), message);
  }
});

Deno.test("parseCommandLine() gives a controller its defaults", () => {
  assert.deepEqual(parse(`controller --endpoint ${SOCKET}`), {
    mode: "controller",
    configFrom: [],
    endpoint: SOCKET,
    adminAddress: { hostname: "0.0.0.0", port: 9808 },
    logFormat: "json",
  });
});

Deno.test("15.7: parseCommandLine() reads the socket of changed blocks, which is another one", () => {
  const flag = "--snapshot-metadata-endpoint";
  const line = `controller --endpoint ${SOCKET} ${flag}`;
  const socketOf = (text: string) => {
    const command = parse(`${line} ${text}`);
    return command.mode === "controller" ? command.snapshotMetadataEndpoint : undefined;
  };
  const socket = "unix:///csi-metadata/metadata.sock";
  for (const text of [socket, "/csi-metadata/metadata.sock"]) assert.equal(socketOf(text), socket);
  assert.throws(() => socketOf("tcp://0.0.0.0:1"), /--snapshot-metadata-endpoint is "tcp:\/\//);
  assert.throws(
    () => socketOf("/csi/csi.sock"),
    /both unix:\/\/\/csi\/csi\.sock: the service needs/,
  );
  assert.throws(() => parse(`node --endpoint ${SOCKET} ${flag} ${socket}`), /Unknown flag/);
});

Deno.test("parseCommandLine() takes the mode as a word, as --mode=MODE and as --mode MODE anywhere", () => {
  const wanted = parse(`controller --endpoint ${SOCKET} -f values.yaml`);
  assert.deepEqual(parse(`--mode=controller --endpoint ${SOCKET} -f values.yaml`), wanted);
  assert.deepEqual(parse(`--endpoint ${SOCKET} --mode controller -f values.yaml`), wanted);
  assert.deepEqual(parse(`--endpoint=${SOCKET} -f values.yaml --mode=controller`), wanted);
});

Deno.test("parseCommandLine() reads every flag of a node", () => {
  const line =
    "node -f v.yaml --endpoint unix:///n.sock --node-name n1 --state-dir /s --remove-empty /s/volumes " +
    "--remove-empty /s --host-root /h " +
    "--tool-path /opt/a --tool-path /opt/b --data-address 127.0.0.11 " +
    "--data-address fd00::1 --local-plane /lp --kube-credentials /kc --admin [::1]:9000 --log-level debug " +
    "--log-format text";
  assert.deepEqual(parse(line), {
    mode: "node",
    valuesFile: "v.yaml",
    endpoint: "unix:///n.sock",
    adminAddress: { hostname: "::1", port: 9000 },
    nodeName: "n1",
    stateDir: "/s",
    removeEmpty: ["/s/volumes", "/s"],
    hostRoot: "/h",
    hostTools: "nsenter",
    toolFolders: ["/opt/a", "/opt/b"],
    dataAddresses: ["127.0.0.11", "fd00::1"],
    localPlane: "/lp",
    kubeCredentials: "/kc",
    check: false,
    logLevel: "debug",
    logFormat: "text",
  });
});

Deno.test("parseCommandLine() takes endpoint and node name from the environment, the flags count first", () => {
  const env = { CSI_ENDPOINT: "/csi/csi.sock", NODE_NAME: "from-env" };
  const found = parse("node", env);
  assert.ok(found.mode === "node");
  assert.deepEqual([found.endpoint, found.nodeName, found.stateDir, found.hostRoot], [
    SOCKET,
    "from-env",
    "/var/lib/pso",
    "/host",
  ]);
  const flagged = parse("node --endpoint unix:/a.sock --node-name b", env);
  assert.ok(flagged.mode === "node");
  assert.deepEqual([flagged.endpoint, flagged.nodeName], ["unix:///a.sock", "b"]);
  const bare = parse(`node --endpoint ${SOCKET}`);
  assert.ok(bare.mode === "node");
  assert.equal(bare.nodeName, "host-7");
});

Deno.test("parseCommandLine() asks no endpoint of `node --check`", () => {
  const found = parse("node --check");
  assert.ok(found.mode === "node");
  assert.deepEqual([found.check, found.endpoint], [true, ""]);
});

Deno.test("parseCommandLine() reads every flag of simulate, and its defaults", () => {
  const line = "simulate --flasharrays 3 --flashblades 0 --state /s --listen 0.0.0.0:8000 --http " +
    "--concurrency 4 --latency 20 --data-plane kernel " +
    "--portal 10.0.0.1 --portal fd00::1 --host-root /h --admin 127.0.0.1:0 " +
    "--max-volumes 5 --max-snapshots 6 --max-hosts 7 --eradication-delay 60 --safe-mode --all-ports";
  assert.deepEqual(parse(line), {
    mode: "simulate",
    flasharrays: 3,
    flashblades: 0,
    stateDir: "/s",
    listen: { hostname: "0.0.0.0", port: 8000 },
    http: true,
    concurrency: 4,
    latencyMs: 20,
    dataPlane: { portals: ["10.0.0.1", "fd00::1"], hostRoot: "/h" },
    addressPerArray: false,
    allPorts: true,
    limits: { volumes: 5, snapshots: 6, hosts: 7 },
    eradication: { delayMs: 60_000, isManual: false },
    adminAddress: { hostname: "127.0.0.1", port: 0 },
    logFormat: "json",
  });
  assert.deepEqual(parse("simulate"), {
    mode: "simulate",
    flasharrays: 2,
    flashblades: 1,
    listen: { hostname: "127.0.0.1", port: 0 },
    http: false,
    concurrency: 16,
    latencyMs: 0,
    dataPlane: "local",
    addressPerArray: false,
    allPorts: false,
    limits: {},
    eradication: { delayMs: 86_400_000, isManual: true },
    logFormat: "json",
  });
});

Deno.test("parseCommandLine() reads the folder of credentials, and lets the last port be used", () => {
  const fixed = parse("simulate --credentials /c --listen 0.0.0.0:65533");
  assert.ok(fixed.mode === "simulate");
  assert.equal(fixed.credentials, "/c");
  assert.equal(fixed.listen.port + fixed.flasharrays + fixed.flashblades - 1, 65_535);
  const each = parse("simulate --credentials /c --listen 127.0.0.11:65535 --address-per-array");
  assert.ok(each.mode === "simulate");
  assert.equal(each.addressPerArray, true);
});

Deno.test("parseCommandLine() leaves what follows an admin verb to the verb", () => {
  assert.deepEqual(parse("admin check -f values.yaml --help"), {
    mode: "admin",
    verb: "check",
    args: ["-f", "values.yaml", "--help"],
  });
  assert.deepEqual(parse("--mode=admin check x"), { mode: "admin", verb: "check", args: ["x"] });
});

Deno.test("parseCommandLine() answers --version and --help in every mode", () => {
  for (const mode of ["", ...MODES]) {
    assert.deepEqual(parse(`${mode} --version`), { mode: "version", text: "pso-bin 1.2.3\n" });
    for (const flag of ["--help", "-h"]) assert.equal(parse(`${mode} ${flag}`).mode, "help");
  }
  assert.deepEqual(parse("node --help"), { mode: "help", text: helpText("node") });
});

Deno.test("parseCommandLine() answers admin --help with every verb and what it does", () => {
  const { text } = parse("admin --help") as { text: string };
  assert.match(text, /\n\nVerbs:\n {2}check +looks at something\n\nFlags:\n/);
});

Deno.test("parseCommandLine() takes help as a word, of the program, a mode or a verb", () => {
  assert.deepEqual(parse("help"), parse("--help"));
  assert.deepEqual(parse("help node"), parse("node --help"));
  assert.deepEqual(parse("help admin"), parse("admin --help"));
  assert.deepEqual(parse("admin help"), parse("admin --help"));
  const check = { mode: "admin", verb: "check", args: ["--help"] };
  assert.deepEqual(parse("admin help check"), check);
  assert.deepEqual(parse("help admin check"), check);
});

Deno.test("helpText() keeps to the width of a narrow terminal", () => {
  for (const mode of [undefined, ...MODES]) {
    for (const line of helpText(mode, 80).split("\n")) assert.ok(line.length <= 80, line);
    assert.equal(helpText(mode, 200), helpText(mode));
  }
});

Deno.test("helpText() names every flag of a mode and ends with the exit codes", () => {
  for (const mode of MODES) {
    for (const { name, meaning } of FLAGS[mode]) {
      const lines = helpText(mode).split("\n");
      for (const line of lines) assert.ok(line.length <= 100, line);
      const said = helpText(mode).replaceAll(/\n {20,}/g, " ").replaceAll(/ +/g, " ");
      assert.match(said, new RegExp(`\n -{1,2}${name}\\b.*${RegExp.escape(meaning)}\n`));
    }
    assert.match(
      helpText(mode),
      /\nExit codes: 0 right, 1 failed, 2 wrong use or configuration\.\n$/,
    );
  }
  assert.match(helpText(), /^Storage of Pure FlashArrays/);
});

const FAULTS: [string, string][] = [
  ["", "No mode is given: use one of controller, node, admin, simulate, or --help"],
  [
    "--endpoint unix:///a",
    "No mode is given: use one of controller, node, admin, simulate, or --help",
  ],
  ["contoller", 'Unknown mode "contoller": did you mean controller?'],
  ["run", 'Unknown mode "run": use one of controller, node, admin, simulate, or --help'],
  ["--mode", "--mode needs a value: use one of controller, node, admin, simulate"],
  ["--mode=", "--mode needs a value: use one of controller, node, admin, simulate"],
  [
    "controller",
    "No CSI endpoint is given: use --endpoint unix:///csi/csi.sock or set CSI_ENDPOINT",
  ],
  [
    "controller --endpoint tcp://1.2.3.4:5",
    '--endpoint is "tcp://1.2.3.4:5", wanted unix:///PATH of a socket',
  ],
  ["controller --endpoint", "--endpoint needs a value"],
  ["controller --endpoint --admin 127.0.0.1:0", "--endpoint needs a value"],
  [
    "controller --endpiont=unix:///a",
    "Unknown flag --endpiont of controller: did you mean --endpoint?",
  ],
  ["controller --xyzzy", "Unknown flag --xyzzy of controller: see pso-bin controller --help"],
  [
    "controller --state-dir /s",
    "Unknown flag --state-dir of controller: see pso-bin controller --help",
  ],
  [
    `controller --endpoint ${SOCKET} extra`,
    'Unknown argument "extra" of controller: see pso-bin controller --help',
  ],
  [`controller --endpoint ${SOCKET} --admin 9808`, '--admin is "9808", wanted HOST:PORT'],
  [
    `controller --endpoint ${SOCKET} --log-level loud`,
    '--log-level is "loud", wanted one of debug, info, warn, error',
  ],
  [
    `controller --endpoint ${SOCKET} --log-format xml`,
    '--log-format is "xml", wanted one of json, text',
  ],
  [
    `node --endpoint ${SOCKET} --tool-path bin`,
    '--tool-path is "bin", wanted one absolute path of a folder',
  ],
  [`node --endpoint ${SOCKET} --data-address fa1`, '--data-address is "fa1", wanted an IP address'],
  ["simulate --flasharrays two", '--flasharrays is "two", wanted a number from 0 to 100'],
  ["simulate --concurrency 0", '--concurrency is "0", wanted a number from 1 to 10000'],
  [
    "simulate --flasharrays 0 --flashblades 0",
    "--flasharrays and --flashblades are both 0, wanted at least one array",
  ],
  ["simulate --data-plane kernel --portal storage", '--portal is "storage", wanted an IP address'],
  [
    "simulate --data-plane kernel",
    "--data-plane kernel needs --state DIR: after a kill only a start with the same state can " +
    "take away what the kernel serves",
  ],
  ["simulate --portal 10.0.0.1", "--portal is for the kernel plane only: add --data-plane kernel"],
  ["simulate --data-plane disk", '--data-plane is "disk", wanted one of local, kernel'],
  [
    "simulate --credentials /c",
    "--credentials needs --listen HOST:PORT with a port that is not 0: clients that know the " +
    "token beforehand must know the address of each array, too",
  ],
  [
    "simulate --credentials /c --listen 0.0.0.0:65534",
    "--listen has the port 65534, and the last array would have 65536: choose a port below 65534",
  ],
  [
    "simulate --address-per-array --listen 0.0.0.0:443",
    "--address-per-array needs --listen IP:PORT with the address of the first array: from 0.0.0.0 " +
    "on no addresses can be counted",
  ],
  ["simulate --max-volumes 0", '--max-volumes is "0", wanted a number from 1 to 1000000'],
  ["simulate --credentials --http", "--credentials needs a value"],
  ["simulate --http=maybe", '--http is "maybe", wanted no value'],
  ["check -f v", 'Unknown mode "check": did you mean pso-bin admin check?'],
  [
    "admin",
    "admin needs a verb first, for example `pso-bin admin check -f values.yaml`: see pso-bin admin " +
    "--help",
  ],
  [
    "admin -f x check",
    "admin needs a verb first, for example `pso-bin admin check -f values.yaml`: see pso-bin admin " +
    "--help",
  ],
];

for (const [line, message] of FAULTS) {
  Deno.test(`parseCommandLine() refuses \`pso-bin ${line}\``, () => {
    assert.throws(() => parse(line), (error) => {
      assert.ok(error instanceof UsageError);
      assert.equal(error.code, "invalid");
      assert.equal(error.message, message);
      return true;
    });
  });
}

Deno.test("parseListenAddress() takes a name, any IP address in brackets and a bare port", () => {
  assert.deepEqual(parseListenAddress("localhost:80"), { hostname: "localhost", port: 80 });
  assert.deepEqual(parseListenAddress("[fd00::1]:80"), { hostname: "fd00::1", port: 80 });
  assert.deepEqual(parseListenAddress("[10.0.0.7]:80"), { hostname: "10.0.0.7", port: 80 });
  assert.deepEqual(parseListenAddress(":0"), { hostname: "0.0.0.0", port: 0 });
  for (const wrong of ["fd00::1:80", "localhost", "a:99999", "[zz]:1", "a b:1", "a:-1"]) {
    assert.equal(parseListenAddress(wrong), undefined, wrong);
  }
});

Deno.test("VERSION equals the version of deno.json, and both versions of the chart", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
  const { version } = JSON.parse(await read("deno.json"));
  assert.equal(VERSION, version);
  const chart = await read("deploy/helm/pure-csi/Chart.yaml");
  assert.equal(chart.match(/^version: (.*)$/m)?.[1], version);
  assert.equal(chart.match(/^appVersion: (.*)$/m)?.[1], version);
});
