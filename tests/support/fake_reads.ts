/** The reads of block devices of the fake host: what its `dd` gives. */
import type { Answer } from "./fake_scsi.ts";
import type { HostFiles } from "./host_files.ts";

export class FakeReads {
  readonly #files: HostFiles;
  /** What the beginning of a device holds; everything else of it is zeroes. */
  readonly contents = new Map<string, Uint8Array>();
  /** Devices that answer every read with an I/O error, whatever the kernel takes them for. */
  readonly dead = new Set<string>();
  /** Devices of which a read does not end. */
  readonly hung = new Set<string>();

  /** Devices that process 4711, a program of this name, has open. */
  readonly open = new Map<string, string>();

  constructor(files: HostFiles) {
    this.#files = files;
  }

  /** `dd if=/dev/sda of=/dev/null …`, a read of the first block. */
  dd(args: string[]): Answer {
    const name = /^if=\/dev\/(.+)$/.exec(args[0] ?? "")?.[1] ?? "";
    if (this.hung.has(name)) return { hangs: true };
    return this.dead.has(name) ? { code: 1, stderr: "dd: Input/output error" } : {};
  }

  /** The script that lists open devices: mode and number in hex, and who has it open. */
  openers(): Answer {
    const lines = [...this.open].map(([name, program]) => {
      this.#files.write("/proc/4711/comm", program);
      return `${this.#numberOf(name)} /proc/4711/fd/3`;
    });
    for (const loop of this.#files.list("/sys/block").filter((one) => one.startsWith("loop"))) {
      const file = `/sys/block/${loop}/loop/backing_file`;
      const name = /^\/dev\/(\w+)$/.exec(this.#files.read(file))?.[1];
      if (name !== undefined) lines.push(`${this.#numberOf(name)} ${file}`);
    }
    return { stdout: ["works 1:3", ...lines, "whole", ""].join("\n") };
  }

  #numberOf(name: string): string {
    const number = this.#files.read(`/sys/class/block/${name}/dev`).split(":");
    return `61b0 ${number.map((part) => Number(part).toString(16)).join(":")}`;
  }

  /** The script of readAreas(): `sh -c SCRIPT sh /dev/sda FLAGS OFFSET LENGTH …`. */
  areas([, , , path = "", , ...places]: string[]): Answer {
    const name = path.replace("/dev/", "");
    if (this.hung.has(name)) return { hangs: true };
    if (this.dead.has(name)) {
      const stderr = `dd: error reading '${path}': Input/output error\nat byte ${places[0]}\n`;
      return { code: 3, stderr };
    }
    const size = Number(this.#files.read(`/sys/class/block/${name}/size`)) * 512;
    const head = this.contents.get(name) ?? new Uint8Array();
    const chunks: number[] = [];
    for (let at = 0; at < places.length; at += 2) {
      const [offset = 0, length = 0] = places.slice(at, at + 2).map(Number);
      for (let byte = offset; byte < Math.min(offset + length, size); byte++) {
        chunks.push(head[byte] ?? 0);
      }
    }
    return { bytes: new Uint8Array(chunks) };
  }
}
