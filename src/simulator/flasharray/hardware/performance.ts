import type { ArrayRoutes, Call } from "../../call.ts";
import type { Row } from "../../filter.ts";
import {
  ARRAY_RESOLUTIONS,
  OBJECT_RESOLUTIONS,
  PerformanceHistory,
} from "../../performance/history.ts";
import { sampled } from "../../performance/samples.ts";
import { type Rates, sumOf } from "../../performance/write_meter.ts";
import { listedHosts } from "../hosts.ts";
import type { FlashArrayState, HostRecord, VolumeRecord } from "../state.ts";
import { listedVolumes } from "../volumes.ts";
import { builtIn, type Named } from "./built_in.ts";
import { interfaceRows } from "./ports.ts";

/** Fields of a performance sample beside those that move. */
function performanceRow(rates: Rates): Row {
  const { writesPerSec, writeBytesPerSec } = rates;
  const bytesPerWrite = writesPerSec === 0 ? 0 : Math.round(writeBytesPerSec / writesPerSec);
  const usec = writesPerSec === 0 ? 0 : WRITE_USEC;
  const zeroes = Object.fromEntries(ZERO_FIELDS.map((field) => [field, 0]));
  return {
    ...zeroes,
    writes_per_sec: writesPerSec,
    write_bytes_per_sec: writeBytesPerSec,
    bytes_per_write: bytesPerWrite,
    bytes_per_op: bytesPerWrite,
    usec_per_write_op: usec,
    san_usec_per_write_op: 0,
    service_usec_per_write_op: usec,
  };
}

/**
 * Fields that only the array's own samples have; volumes have none of the first two, and the others
 * from 2.52 on.
 */
const ARRAY_ONLY = { queue_depth: null, local_queue_usec_per_op: null };

function volumePerformanceRow({ minor }: Call, rates: Rates): Row {
  const { others_per_sec, usec_per_other_op, ...shown } = performanceRow(rates);
  return minor >= 52 ? { ...shown, others_per_sec, usec_per_other_op } : shown;
}

/** Service time that a lightly loaded array shows. */
const WRITE_USEC = 250;
const ZERO_FIELDS = [
  "reads_per_sec",
  "others_per_sec",
  "mirrored_writes_per_sec",
  "read_bytes_per_sec",
  "mirrored_write_bytes_per_sec",
  "usec_per_read_op",
  "usec_per_mirrored_write_op",
  "usec_per_other_op",
  "san_usec_per_read_op",
  "san_usec_per_mirrored_write_op",
  "service_usec_per_read_op",
  "service_usec_per_mirrored_write_op",
  "queue_usec_per_read_op",
  "queue_usec_per_write_op",
  "queue_usec_per_mirrored_write_op",
  "qos_rate_limit_usec_per_read_op",
  "qos_rate_limit_usec_per_write_op",
  "qos_rate_limit_usec_per_mirrored_write_op",
  "bytes_per_read",
  "bytes_per_mirrored_write",
];

/** What an interface carries: no byte of it is seen here. */
const NO_TRAFFIC = {
  eth: [
    "other_errors_per_sec",
    "received_bytes_per_sec",
    "received_crc_errors_per_sec",
    "received_frame_errors_per_sec",
    "received_packets_per_sec",
    "total_errors_per_sec",
    "transmitted_bytes_per_sec",
    "transmitted_carrier_errors_per_sec",
    "transmitted_dropped_errors_per_sec",
    "transmitted_packets_per_sec",
  ],
  fc: [
    "received_bytes_per_sec",
    "received_crc_errors_per_sec",
    "received_frames_per_sec",
    "received_link_failures_per_sec",
    "received_loss_of_signal_per_sec",
    "received_loss_of_sync_per_sec",
    "total_errors_per_sec",
    "transmitted_bytes_per_sec",
    "transmitted_frames_per_sec",
    "transmitted_invalid_words_per_sec",
  ],
};

function trafficRow({ name, row }: Named, time: number): Row {
  const type = row.interface_type === "fc" ? "fc" : "eth";
  const none = (fields: string[], value: number | null) =>
    Object.fromEntries(fields.map((field) => [field, value]));
  return {
    name,
    interface_type: type,
    eth: none(NO_TRAFFIC.eth, type === "eth" ? 0 : null),
    fc: none(NO_TRAFFIC.fc, type === "fc" ? 0 : null),
    time,
  };
}

/** All figures of performance: of the array, its volumes, hosts and interfaces. */
export function addPerformanceRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const { clock, id, name } = state.context;
  const history = new PerformanceHistory(clock);
  const measured = ({ id }: VolumeRecord) => ({
    key: id,
    bytes: state.context.plane?.images.allocatedBytes(id) ?? 0,
  });
  const now = (volume: VolumeRecord) => history.rates(measured(volume));
  const nowOfHost = (host: HostRecord) => sumOf(volumesOf(state, host).map(now));
  routes.on("GET /arrays/performance", (call) => {
    const array = { key: "array", bytes: state.usedBytes() };
    const self = builtIn("Array", [{ name, row: {} }]);
    return state.list(
      call,
      sampled(self, {
        moments: () => history.moments(call, array, ARRAY_RESOLUTIONS),
        render: (_, { time, rates }) => ({
          id,
          name,
          time,
          ...performanceRow(rates),
          ...ARRAY_ONLY,
        }),
      }),
    );
  }, { since: 2 });
  routes.on("GET /volumes/performance", (call) => {
    const row = (of: { id: string | null; name: string | null }, time: number, rates: Rates) => ({
      ...{ id: of.id, name: of.name, time },
      ...volumePerformanceRow(call, rates),
    });
    return state.list(
      call,
      sampled(listedVolumes(state, call), {
        moments: (volume) => history.moments(call, measured(volume), OBJECT_RESOLUTIONS),
        render: (volume, { time, rates }) => row(volume, time, rates),
        total: (volumes) => row(NOBODY, clock.now(), sumOf(volumes.map(now))),
      }),
    );
  });
  routes.on("GET /hosts/performance", (call) =>
    state.list(
      call,
      sampled(listedHosts(state, call), {
        moments: (host) => {
          const all = volumesOf(state, host).map(measured);
          return history.sums(call, all, OBJECT_RESOLUTIONS);
        },
        render: (host, { time, rates }) => ({
          ...{ name: host.name, time },
          ...volumePerformanceRow(call, rates),
        }),
        total: (hosts) => ({
          ...{ name: null, time: clock.now() },
          ...volumePerformanceRow(call, sumOf(hosts.map(nowOfHost))),
        }),
      }),
    ));
  routes.on("GET /network-interfaces/performance", (call) => {
    const rows = interfaceRows(state);
    return state.list(call, {
      ...builtIn("Network interface", rows),
      render: (row) => trafficRow(row, clock.now()),
    });
  }, { since: 4 });
}

const NOBODY = { id: null, name: null };

/** What a host writes to, as far as one can see: all volumes that it reaches. */
function volumesOf(state: FlashArrayState, { name }: HostRecord): VolumeRecord[] {
  return state.connectionsOfHost(name).flatMap(({ volumeId }) => state.volumes.get(volumeId) ?? []);
}
