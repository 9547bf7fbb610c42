import { equal, rejects } from "node:assert/strict";
import { EphemeralBed } from "../../tests/support/ephemeral_bed.ts";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { KubeClient } from "../kube/client.ts";
import { readChapSecret } from "./chap_secret.ts";

const PLACE = { namespace: "pso", name: "chap" };
const KEY = { collection: "secrets", ...PLACE };
const PASSWORD = "twelve-letters";
const CHAP = {
  "node.session.auth.username": btoa("node"),
  "node.session.auth.password": btoa(PASSWORD),
};

Deno.test("readChapSecret() reads the Secret anew each time, and says what is wrong with it", async () => {
  const api = new FakeKubeApi();
  const kube = new KubeClient(api.server());
  equal(await readChapSecret(kube, { ...PLACE, name: "" }), undefined);
  await rejects(readChapSecret(kube, PLACE), { code: "unavailable", message: /does not exist/ });
  api.put(KEY, { data: { other: btoa("x"), broken: "%" } });
  await rejects(readChapSecret(kube, PLACE), { code: "invalid", message: /holds no CHAP/ });
  api.put(KEY, { data: CHAP });
  const chap = await readChapSecret(kube, PLACE);
  equal(chap?.host.user, "node");
  equal(chap?.host.password.reveal(), PASSWORD);
  api.fault = "forbidden";
  await rejects(readChapSecret(kube, PLACE), { code: "denied" });
});

Deno.test("15.11: CHAP connects a volume of a pod, and no object holds a password", async () => {
  const bed = new EphemeralBed();
  bed.settings.chapSecret = PLACE.name;
  bed.api.put(KEY, { data: CHAP });
  await bed.ask();
  await bed.step();
  equal(await bed.said(), "Ready");
  equal(bed.maker.chapUser, "node");
  const stored = JSON.stringify(bed.api.store.select({ collection: "ephemeralvolumes" }));
  for (const text of [PASSWORD, CHAP["node.session.auth.password"]]) {
    equal(stored.includes(text), false);
  }
});
