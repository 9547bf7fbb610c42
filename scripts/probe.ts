/** Looks whether a process of a stand answers yet. */

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return await Promise.resolve(listener.addr.port);
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
