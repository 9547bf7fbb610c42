import { messageOf } from "../../errors.ts";
import { type NvmeRoute, nvmeWwidOfSerial } from "../../host/nvme.ts";
import type { NodeContext } from "../context.ts";
import { type MissingRoute, NONE, pathConditions, type PathLook } from "../look.ts";
import type { NvmeAttachment, SeenVolume } from "../protocol.ts";
import { connectRoute, routesTo } from "./routes.ts";

/** BlockConnection.look for volumes with an NVMe namespace, whose paths the kernel joins. */
export async function lookAtNvme(
  context: NodeContext,
  { view, attachment, device }: SeenVolume<NvmeAttachment>,
): Promise<PathLook> {
  const wwid = nvmeWwidOfSerial(attachment.serial);
  const find = () => routesTo(context.host, attachment);
  let routes: NvmeRoute[] = [];
  const faults: string[] = [];
  try {
    routes = await view.once(`routes ${attachment.nqn}`, find);
  } catch (error) {
    faults.push(messageOf(error)); // FC shows none of the array's ports
  }
  const missingRoutes: MissingRoute[] = [];
  const paths = { ...NONE };
  for (const route of routes) {
    const controller = view.controllerBy(route);
    if (controller?.state === "live") paths.up++;
    else if (controller) paths.down++;
    else paths.missing++;
    if (!controller) missingRoutes.push(connectionRoute(context, route));
    if (controller?.state === "live") continue;
    const why = controller ? `${controller.name} is ${controller.state}` : "no connection";
    faults.push(`${route.traddr}: ${why}`);
  }
  const conditions = pathConditions(paths, faults);
  if (device === undefined || view.namespaceWwid(device) !== wwid) {
    const message = `the kernel shows no namespace ${wwid} of ${attachment.nqn} (any more)`;
    conditions.push({ status: "inaccessible", reason: "DeviceMissing", message });
  }
  return { conditions, paths, missingRoutes, array: attachment.nqn };
}

function connectionRoute(context: NodeContext, route: NvmeRoute): MissingRoute {
  const { transport, nqn, traddr, trsvcid, hostTraddr } = route;
  const parts = ["nvme", transport, nqn, traddr, trsvcid, hostTraddr];
  return {
    key: parts.filter((part) => part !== undefined).join(" "),
    reconnect: (signal) => context.targets.using([nqn], () => connectRoute(context, route, signal)),
  };
}
