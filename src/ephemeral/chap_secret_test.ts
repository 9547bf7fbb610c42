import { equal, rejects } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { KubeClient } from "../kube/client.ts";
import { readChapSecret } from "./chap_secret.ts";

const PLACE = { namespace: "pso", name: "chap" };
const KEY = { collection: "secrets", ...PLACE };
const PASSWORD = "twelve-letters";

Deno.test("readChapSecret() reads the Secret anew each time, and says what is wrong with it", async () => {
  const api = new FakeKubeApi();
  const kube = new KubeClient(api.server());
  equal(await readChapSecret(kube, { ...PLACE, name: "" }), undefined);
  await rejects(readChapSecret(kube, PLACE), { code: "unavailable", message: /does not exist/ });
  api.put(KEY, { data: { other: btoa("x"), broken: "%" } });
  await rejects(readChapSecret(kube, PLACE), { code: "invalid", message: /holds no CHAP/ });
  api.put(KEY, {
    data: {
      "node.session.auth.username": btoa("node"),
      "node.session.auth.password": btoa(PASSWORD),
    },
  });
  const chap = await readChapSecret(kube, PLACE);
  equal(chap?.host.user, "node");
  equal(chap?.host.password.reveal(), PASSWORD);
  api.fault = "forbidden";
  await rejects(readChapSecret(kube, PLACE), { code: "denied" });
});
