/** Loop devices of the fake host: losetup and sysfs, over image files in its folder. */
import { majorMinorOf } from "../../src/host/loop.ts";
import type { Answer } from "./fake_scsi.ts";
import type { HostFiles } from "./host_files.ts";

export class FakeLoop {
  readonly #files: HostFiles;
  #made = 0;

  constructor(files: HostFiles) {
    this.#files = files;
  }

  /** Names of the attached devices. */
  get devices(): string[] {
    return this.#files.list("/sys/block").filter((name) => name.startsWith("loop"));
  }

  /** The options of losetup(8) that the driver uses; `--find --show` always makes a device. */
  losetup(args: string[]): Answer {
    const last = args.at(-1) ?? "";
    const name = last.replace("/dev/", "");
    if (args.includes("--list")) return { stdout: this.#list() };
    if (args.includes("--find")) return { stdout: `/dev/${this.attach(last)}\n` };
    if (!this.devices.includes(name)) {
      return { code: 1, stderr: `losetup: ${last}: No such device or address\n` };
    }
    if (args.includes("--detach")) this.#detach(name);
    else this.#setSize(name);
    return {};
  }

  attach(image: string): string {
    const name = `loop${this.#made++}`;
    this.#files.blockDevice(`/sys/class/block/${name}`, {
      number: `7:${this.#made}`,
      sizeBytes: 0,
    });
    // the kernel names the file from its own root
    this.#files.write(`/sys/block/${name}/loop/backing_file`, `${this.#files.root}${image}`);
    this.#setSize(name);
    return name;
  }

  #detach(name: string): void {
    this.#files.remove(`/sys/block/${name}`);
    this.#files.remove(`/sys/class/block/${name}`);
  }

  #setSize(name: string): void {
    const { size } = Deno.statSync(this.#files.read(`/sys/block/${name}/loop/backing_file`));
    this.#files.write(`/sys/class/block/${name}/size`, String(Math.floor(size / 512)));
  }

  #list(): string {
    const loopdevices = this.devices.map((name) => {
      const file = this.#files.read(`/sys/block/${name}/loop/backing_file`);
      const { ino, dev } = Deno.statSync(file);
      return {
        name: `/dev/${name}`,
        "back-file": file.slice(this.#files.root.length),
        "back-ino": ino,
        "back-maj:min": majorMinorOf(dev),
      };
    });
    return loopdevices.length === 0 ? "" : JSON.stringify({ loopdevices });
  }
}
