/** Looks whether a process of a stand answers yet. */

/**
 * Below the ports that the kernel gives to outgoing connections (32768 to 60999 when nobody changed
 * it): there a port is taken again by any program that connects, before its user binds it.
 */
const PORTS = { from: 24_000, count: 8_000 };

/** A port of 127.0.0.1 that was free a moment ago. Throws when none of many is. */
export function freePort(): number {
  for (let triesLeft = 100;; triesLeft--) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || triesLeft === 0) throw error;
    }
  }
}

/** True when a process listens on this unix socket. */
export async function accepts(socket: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: socket })).close();
    return true;
  } catch {
    return false; // no file yet, or nobody listens
  }
}

/** True when this admin endpoint says that its process answers. */
export async function isLive(admin: string): Promise<boolean> {
  try {
    const response = await fetch(`${admin}/healthz`, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // not listening yet
  }
}

/**
 * Whether the controller serves every array, by the checks that its /readyz shows. The status alone
 * is 200 as soon as one array is served.
 */
export async function servesAll(admin: string): Promise<boolean> {
  const answer = await fetch(`${admin}/readyz`).catch(() => undefined);
  const body: { checks?: { ok: boolean }[] } | undefined = await answer?.json();
  return answer?.ok === true && (body?.checks ?? []).every(({ ok }) => ok);
}
