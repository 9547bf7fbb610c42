import type { ConnectOptions } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { isMultiNode, isReadOnly } from "../../capability.ts";
import { isPsoError, PsoError } from "../../errors.ts";
import {
  type Attachment,
  decodeNodeId,
  encodeAttachment,
  type NodeIdentity,
} from "../../handoff.ts";
import { type Protocol, PROTOCOLS } from "../../protocols.ts";
import { hostNameFor } from "../../names.ts";
import { capabilityFault } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { chooseProtocol } from "../protocol_choice.ts";
import { type Publication, Publications } from "../publications.ts";
import type { PublishRequest, UnpublishRequest } from "../requests.ts";

interface Target {
  member: FleetMember;
  name: string;
}

/**
 * ControllerPublishVolume and ControllerUnpublishVolume. A block array knows no read-only
 * connection, so that a contradicting publish is noticed from memory: after a restart it is taken
 * as new. Nothing is lost by that, the node mounts as each of its own calls says.
 */
export class Publishing {
  readonly #context: ControllerContext;
  /** By `keyOf`. */
  readonly #published = new Publications();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** See Provisioner.publishVolume. */
  async publish(request: PublishRequest, signal: AbortSignal): Promise<Record<string, string>> {
    const { nodes, locator } = this.#context;
    const node = decodeNodeId(request.nodeId);
    const target = await this.#target(request.volumeId, signal);
    if (!node) {
      // Which of the two is missing makes no difference to the code; that the node is, is certain.
      throw new PsoError(
        "not_found",
        `node ${
          JSON.stringify(request.nodeId)
        } is unknown: it was not registered by this driver's node plugin`,
      );
    }
    const fault = capabilityFault(request.capability, target.member.array.kind);
    if (fault !== undefined) {
      throw new PsoError("invalid", `Cannot publish ${target.name}: ${fault}`);
    }
    const publication = publicationOf(request);
    this.#refuseFlip(target, { node, publication });
    this.#refuseFull(target, node);
    nodes.learn(request.nodeId, node);
    const { member, attachment } = await this.#connect(target, {
      node,
      request,
      readOnly: publication.readOnly,
    }, signal);
    const exclusive = !isMultiNode(request.capability.mode);
    this.#published.add(keyOf({ member, name: target.name }), node.name, {
      publication,
      exclusive,
    });
    const { id } = await locator.statusOf(member, signal);
    locator.learn(request.volumeId, id, target.name);
    return encodeAttachment(attachment);
  }

  /** See Provisioner.unpublishVolume. */
  async unpublish({ volumeId, nodeId }: UnpublishRequest, signal: AbortSignal): Promise<void> {
    const { fleet, locator } = this.#context;
    const hinted = locator.hinted(volumeId);
    const isThere = hinted !== undefined && fleet.mayHold(hinted.member, hinted.name);
    const node = nodeId === "" ? "all" : decodeNodeId(nodeId);
    if (node === undefined) return await this.#unpublishUnknown({ volumeId, nodeId }, signal);
    const target = isThere ? hinted : await this.#find(volumeId, signal);
    if (!target) return; // no array holds the volume: nobody holds it
    await target.member.array.disconnect(target.name, node, signal);
    if (node === "all") this.#published.removeAll(keyOf(target));
    else this.#published.remove(keyOf(target), node.name);
  }

  /**
   * A node_id that this driver never gave out, as after a change from another driver: taken as a
   * node name, as PSO did. Where no such host holds the volume, success is certain only if nobody
   * does.
   */
  async #unpublishUnknown(
    { volumeId, nodeId }: UnpublishRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const found = await this.#context.locator.find(volumeId, signal, { hosts: true });
    if (!found) return;
    const { member, volume } = found;
    const hosts = volume.hosts ?? [];
    if (hosts.length === 0) return;
    const hostName = hostNameFor(nodeId).toLowerCase();
    if (hosts.some((host) => host.toLowerCase() === hostName)) {
      await member.array.disconnect(volume.name, {
        name: nodeId,
        protocols: [],
        wwpns: [],
        addresses: [],
      }, signal);
      return;
    }
    throw new PsoError(
      "not_found",
      `Cannot unpublish ${volume.name} from the unknown node ${JSON.stringify(nodeId)}: ${
        hosts.join(", ")
      } on ${member.array.label} ` +
        "still holds it and may be that node; disconnect it on the array if it is",
    );
  }

  async #find(volumeId: string, signal: AbortSignal): Promise<Target | undefined> {
    const found = await this.#context.locator.find(volumeId, signal);
    return found && { member: found.member, name: found.volume.name };
  }

  /**
   * The array and name of the volume: by its handle without a call, else by a search. `not_found`.
   */
  async #target(volumeId: string, signal: AbortSignal): Promise<Target> {
    const { locator, fleet } = this.#context;
    const hinted = locator.hinted(volumeId);
    if (hinted && fleet.mayHold(hinted.member, hinted.name)) return hinted;
    const { member, volume } = await locator.need(volumeId, signal);
    return { member, name: volume.name };
  }

  async #connect(
    target: Target,
    options: { node: NodeIdentity; request: PublishRequest; readOnly: boolean },
    signal: AbortSignal,
  ): Promise<{ member: FleetMember; attachment: Attachment }> {
    try {
      return { member: target.member, attachment: await this.#connectAt(target, options, signal) };
    } catch (error) {
      if (!isPsoError(error, "not_found")) throw error;
      // It is not where its handle says: it was moved, or it is gone.
      const { member, volume } = await this.#context.locator.need(options.request.volumeId, signal);
      if (member === target.member) throw error;
      return {
        member,
        attachment: await this.#connectAt({ member, name: volume.name }, options, signal),
      };
    }
  }

  async #connectAt(
    { member, name }: Target,
    { node, request, readOnly }: { node: NodeIdentity; request: PublishRequest; readOnly: boolean },
    signal: AbortSignal,
  ): Promise<Attachment> {
    const { locator, options } = this.#context;
    const { sanType, preemptAttachments, portalFilter } = options();
    const { protocols: served } = await locator.statusOf(member, signal);
    const connection: ConnectOptions = {
      protocol: chooseProtocol({
        array: member.array.label,
        kind: member.array.kind,
        served,
        node,
        wanted: protocolIn(request.volumeContext) ?? sanType,
      }),
      exclusive: !isMultiNode(request.capability.mode),
      preempt: preemptAttachments,
      readOnly,
      portalFilter,
      chap: request.chap,
    };
    return await member.array.connect(name, node, { ...connection, signal });
  }

  /**
   * Kubernetes counts too, and places no more pods on a node that is full; this is for the race
   * that it loses.
   */
  #refuseFull(target: Target, node: NodeIdentity): void {
    const { maxVolumesPerNode } = this.#context.options();
    if (
      this.#published.of(keyOf(target), node.name) ||
      this.#published.countOf(node.name) < maxVolumesPerNode
    ) return;
    throw new PsoError(
      "exhausted",
      `Cannot publish ${target.name} to ${node.name}: it holds ${maxVolumesPerNode} volumes, and that is its limit; move pods away or raise maxVolumesPerNode`,
    );
  }

  #refuseFlip(
    target: Target,
    { node, publication }: { node: NodeIdentity; publication: Publication },
  ): void {
    const before = this.#published.of(keyOf(target), node.name);
    if (
      !before || (before.readOnly === publication.readOnly && before.access === publication.access)
    ) return;
    throw new PsoError(
      "conflict",
      `${target.name} is published to ${node.name} already, ${shown(before)}, and ${
        shown(publication)
      } is asked for: unpublish it first`,
    );
  }
}

function keyOf({ member, name }: Target): string {
  return `${member.array.label}\0${name}`;
}

function publicationOf({ capability, readOnly }: PublishRequest): Publication {
  return { readOnly: readOnly || isReadOnly(capability.mode), access: capability.access.type };
}

function shown({ readOnly, access }: Publication): string {
  return `${readOnly ? "read-only" : "writable"} as ${
    access === "block" ? "raw block" : "file system"
  }`;
}

/** The protocol that the volume's class named at creation. */
function protocolIn({ protocol }: Record<string, string>): Protocol | "auto" | undefined {
  return protocol === "auto" ? "auto" : PROTOCOLS.find((known) => known === protocol);
}
