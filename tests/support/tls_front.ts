/** A TLS server before a simulated array of plain HTTP; its certificate can be exchanged. */

/** PEM texts of what a server shows itself with. */
export interface ShownCertificate {
  cert: string;
  key: string;
}

export class TlsFront implements Disposable {
  readonly port: number;
  /** How many connections were taken since the certificate was exchanged. */
  taken = 0;
  #listener: Deno.TlsListener;
  /** The port is free again when it has ended. */
  #accepting: Promise<void> = Promise.resolve();
  readonly #open = new Set<Deno.Conn>();

  /** `array`: host and port of the one behind it. */
  constructor(readonly array: string, certificate: ShownCertificate) {
    this.#listener = this.#listen(0, certificate);
    this.port = this.#listener.addr.port;
  }

  /**
   * New connections see this certificate from now on; those that are open go on. In the moment
   * between nothing listens, as while an array starts its web server anew.
   */
  async show(certificate: ShownCertificate): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    this.taken = 0;
    this.#listener = this.#listen(this.port, certificate);
  }

  /** Ends every connection that is open. */
  cut(): void {
    for (const connection of [...this.#open]) this.#close(connection);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.cut();
  }

  #listen(port: number, certificate: ShownCertificate): Deno.TlsListener {
    const listener = Deno.listenTls({ hostname: "127.0.0.1", port, ...certificate });
    this.#accepting = this.#accept(listener);
    return listener;
  }

  async #accept(listener: Deno.TlsListener): Promise<void> {
    while (true) {
      try {
        void this.#serve(await listener.accept());
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        throw error;
      }
    }
  }

  async #serve(client: Deno.TlsConn): Promise<void> {
    this.#open.add(client);
    try {
      await client.handshake();
      this.taken++;
      const [hostname = "", port] = this.array.split(":");
      const array = await Deno.connect({ hostname, port: Number(port) });
      this.#open.add(array);
      await Promise.all([
        client.readable.pipeTo(array.writable),
        array.readable.pipeTo(client.writable),
      ]).finally(() => this.#close(array));
    } catch {
      // A client that does not take the certificate ends the handshake, and one that is done ends
      // its connection in any way it likes.
    } finally {
      this.#close(client);
    }
  }

  #close(connection: Deno.Conn): void {
    if (!this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // Its stream has closed it.
    }
  }
}
