import { equal, rejects } from "node:assert/strict";
import { HostFiles } from "../../tests/support/host_files.ts";
import { followLinks } from "./links.ts";

/** A root folder with one file, and these links by their paths. */
async function withLinks(
  links: Record<string, string>,
  work: (root: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-links-" }));
  const files = new HostFiles(root);
  try {
    files.write("/data/kubelet/file", "x");
    for (const [path, to] of Object.entries(links)) files.link(path, to);
    await work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

for (
  const { name, links, path, followLast = true, to } of [
    { name: "no link", links: {}, path: "/data/kubelet/file", to: "/data/kubelet/file" },
    {
      name: "an absolute link in the middle",
      links: { "/var/lib/kubelet": "/data/kubelet" },
      path: "/var/lib/kubelet/file",
      to: "/data/kubelet/file",
    },
    {
      name: "a link to a link, the second one relative",
      links: { "/var": "/mnt/var", "/mnt/var": "../data", "/mnt/x": "y" },
      path: "/var/kubelet/file",
      to: "/data/kubelet/file",
    },
    {
      name: "a link that goes above the root",
      links: { "/var": "../../../data" },
      path: "/var/kubelet/",
      to: "/data/kubelet",
    },
    {
      name: "parts that do not exist behind a link",
      links: { "/var": "/data" },
      path: "/var/kubelet/pods/1/mount",
      to: "/data/kubelet/pods/1/mount",
    },
    {
      name: "a link as last part",
      links: { "/etc/name": "/data/kubelet/file" },
      path: "/etc/name",
      to: "/data/kubelet/file",
    },
    {
      name: "a link as last part that is not to be looked at",
      links: { "/etc/name": "/nowhere", "/conf": "/etc" },
      path: "/conf/name",
      followLast: false,
      to: "/etc/name",
    },
    { name: "the root itself", links: {}, path: "/", to: "/" },
  ] as {
    name: string;
    links: Record<string, string>;
    path: string;
    followLast?: boolean;
    to: string;
  }[]
) {
  Deno.test(`followLinks() resolves ${name} inside the root`, () =>
    withLinks(links, async (root) => equal(await followLinks(root, path, { followLast }), to)));
}

for (
  const { name, links, said } of [
    {
      name: "leads nowhere",
      links: { "/var": "/data2/var" },
      said: /^\/var on this host is a link to \/data2\/var, and \/data2 does not exist: make it/,
    },
    {
      name: "leads to itself",
      links: { "/var": "/var" },
      said: /more than 40 symbolic links.*\/var/,
    },
  ] as { name: string; links: Record<string, string>; said: RegExp }[]
) {
  Deno.test(`followLinks() refuses a link that ${name}, and names it`, () =>
    withLinks(
      links,
      (root) =>
        rejects(followLinks(root, "/var/lib/kubelet", { followLast: false }), {
          code: "unavailable",
          message: said,
        }),
    ));
}
