/** What the keys of changed blocks do to what the chart renders. */
import type { KubeObject } from "./helm.ts";
import { imageCases, sidecarCases } from "./pod_cases.ts";
import { type KeyCase, merged, type Rendered } from "./rendered.ts";

const NAME = "csi-snapshot-metadata";
/** Whose certificate a test's Secret has, as far as anybody here looks at it. */
const AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const CERTIFICATE = { tlsSecret: "changed-blocks", caCert: AUTHORITY };
/** Without a cluster no certificate of the chart's own can be kept. */
const ON = { snapshotMetadata: { enabled: true, ...CERTIFICATE } };

/** The cases, each with the service switched on beside its own values. */
function whenOn(cases: Readonly<Record<string, KeyCase>>): Record<string, KeyCase> {
  return Object.fromEntries(
    Object.entries(cases).map(([path, one]) => [path, {
      ...one,
      beside: merged(ON, one.beside ?? {}),
    }]),
  );
}

const sidecar = (all: Rendered) => all.container("controllerServer", NAME);
const { "csi.snapshotMetadata.retryIntervalMax": _, ...SIDECAR_CASES } = sidecarCases(
  ...["csi.snapshotMetadata", "controllerServer", NAME] as const,
);

export const SNAPSHOT_METADATA_CASES: Readonly<Record<string, KeyCase>> = {
  "snapshotMetadata.enabled": {
    value: "yes",
    beside: { snapshotMetadata: CERTIFICATE },
    read: (all) => [
      all.get("SnapshotMetadataService").spec.address,
      all.get("Service", "pure-csi-snapshot-metadata").spec.ports[0].port,
      all.names("ClusterRole").includes("pure-csi-snapshot-metadata"),
      all.container("controllerServer").args.filter((one: string) => one.includes("metadata")),
      sidecar(all).args[0],
    ],
    wanted: [
      "pure-csi-snapshot-metadata.pso.svc:50051",
      50051,
      true,
      ["--snapshot-metadata-endpoint=unix:///csi-metadata/metadata.sock"],
      "--csi-address=/csi-metadata/metadata.sock",
    ],
  },
  ...whenOn({
    "snapshotMetadata.tlsSecret": {
      value: "other-tls",
      read: (all) => [
        all.names("Secret"),
        all.pod("controllerServer").volumes.find(({ name }: KubeObject) => name === "metadata-tls")
          .secret.secretName,
      ],
      wanted: [["pure-provisioner-secret"], "other-tls"],
    },
    "snapshotMetadata.caCert": {
      value: AUTHORITY.replace("MIIB", "MIIC"),
      read: (all) => atob(all.get("SnapshotMetadataService").spec.caCert),
      wanted: AUTHORITY.replace("MIIB", "MIIC"),
    },
    ...imageCases("images.csi.snapshotMetadata", sidecar),
    ...SIDECAR_CASES,
    "networkPolicy.snapshotMetadataFrom": {
      value: [{ ipBlock: { cidr: "192.0.2.0/24" } }],
      beside: { networkPolicy: { enabled: true } },
      read: (all) => all.get("NetworkPolicy").spec.ingress[1],
      wanted: {
        ports: [{ port: 50051, protocol: "TCP" }],
        from: [{ ipBlock: { cidr: "192.0.2.0/24" } }],
      },
    },
  }),
};
