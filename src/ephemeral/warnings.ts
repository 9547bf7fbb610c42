import { messageOf } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import { kubePath } from "../kube/names.ts";
import type { Logger } from "../log.ts";
import { EPHEMERAL_API, type EphemeralVolume } from "./object.ts";
import type { EphemeralKube } from "./objects.ts";

/** What Events are written with. */
interface WarningsSetup {
  kube: Pick<EphemeralKube, "create">;
  /** The driver's name. */
  driver: string;
  /** Where the EphemeralVolumes are. */
  namespace: string;
  log: Logger;
}

/** What an Event says. */
interface Warning {
  reason: string;
  message: string;
}

/** Events of pods and of their EphemeralVolumes: nothing fails when one cannot be told. */
export class EphemeralWarnings {
  readonly #setup: WarningsSetup;

  constructor(setup: WarningsSetup) {
    this.#setup = setup;
  }

  /** An Event of the pod that has the volume. */
  async ofPod({ spec: { pod } }: EphemeralVolume, warning: Warning): Promise<void> {
    await this.#tell({ apiVersion: "v1", kind: "Pod", ...pod }, warning);
  }

  /** An Event of the object itself: its pod may be gone. */
  async ofVolume({ name, uid }: EphemeralVolume, warning: Warning): Promise<void> {
    const { namespace } = this.#setup;
    const object = { apiVersion: EPHEMERAL_API, kind: "EphemeralVolume", namespace, name, uid };
    await this.#tell(object, warning);
  }

  async #tell(
    involvedObject: KubeObject & { namespace: string; name: string },
    { reason, message }: Warning,
  ): Promise<void> {
    const { kube, driver, log } = this.#setup;
    const { namespace, name } = involvedObject;
    const at = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    try {
      await kube.create(kubePath`/api/v1/namespaces/${namespace}/events`, {
        apiVersion: "v1",
        kind: "Event",
        metadata: { namespace, name: `${name}.${crypto.randomUUID().slice(0, 13)}` },
        involvedObject,
        reason,
        message,
        type: "Warning",
        source: { component: driver },
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
      });
    } catch (error) {
      log.warn("event not written", { problem: messageOf(error) });
    }
  }
}
