import assert from "node:assert/strict";
import { testRun } from "./fixture_test.ts";
import { Store } from "./store.ts";

interface Thing {
  id: string;
  name: string;
}

function open(path?: string) {
  const store = new Store(path);
  return { store, things: store.table<Thing>("things", (thing) => thing.name) };
}

function names(things: { values(): Iterable<Thing> }): string {
  return [...things.values()].map((thing) => thing.name).sort().join(",");
}

Deno.test("Store keeps what change() returned from when the process ends without closing it", async () => {
  const dir = await Deno.makeTempDir();
  const first = open(`${dir}/state`);
  first.store.change(() => first.things.set("1", { id: "1", name: "a" }));
  first.store.change(() => first.things.set("2", { id: "2", name: "b" }));
  first.store.change(() => first.things.delete("1"));
  const second = open(`${dir}/state`);
  assert.equal(names(second.things), "b");
  assert.equal(second.things.find("b")?.id, "2");
  assert.equal(second.things.find("a"), undefined);
  first.store.close();
  second.store.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Store drops a last line that a crash left unfinished, and goes on after it", async () => {
  const dir = await Deno.makeTempDir();
  const first = open(`${dir}/state`);
  first.store.change(() => first.things.set("1", { id: "1", name: "a" }));
  first.store.close();
  await Deno.writeTextFile(`${dir}/state`, '[["things","2",{"id":"2","na', { append: true });
  const second = open(`${dir}/state`);
  assert.equal(names(second.things), "a");
  second.store.change(() => second.things.set("3", { id: "3", name: "c" }));
  second.store.close();
  const third = open(`${dir}/state`);
  assert.equal(names(third.things), "a,c");
  third.store.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Store.change() that throws leaves nothing behind", () => {
  const { store, things } = open();
  store.change(() => things.set("1", { id: "1", name: "a" }));
  assert.throws(() =>
    store.change(() => {
      things.set("1", { id: "1", name: "renamed" });
      things.set("2", { id: "2", name: "b" });
      throw new Error("no");
    })
  );
  assert.equal(names(things), "a");
  assert.equal(things.find("a")?.id, "1");
  assert.equal(things.find("renamed"), undefined);
});

Deno.test("Store.stale() reads what was before the last change, by key, by name and in lists", () => {
  const { store, things } = open();
  store.change(() => things.set("1", { id: "1", name: "a" }));
  store.change(() => {
    things.set("1", { id: "1", name: "renamed" });
    things.set("2", { id: "2", name: "b" });
  });
  assert.equal(names(things), "b,renamed");
  store.stale(() => {
    assert.equal(names(things), "a");
    assert.equal(things.find("a")?.id, "1");
    assert.equal(things.find("renamed"), undefined);
    assert.equal(things.get("2"), undefined);
  });
});

Deno.test("Store compacts a long journal and loses nothing", async () => {
  const dir = await Deno.makeTempDir();
  const first = open(`${dir}/state`);
  for (let at = 0; at < 20_010; at++) {
    first.store.change(() => first.things.set("1", { id: "1", name: `n${at}` }));
  }
  assert.ok((await Deno.readTextFile(`${dir}/state`)).split("\n").length < 100);
  first.store.close();
  const second = open(`${dir}/state`);
  assert.equal(names(second.things), "n20009");
  second.store.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Store.change() that finds no room on the host leaves nothing behind, and the next one is whole", async () => {
  const dir = await Deno.makeTempDir();
  await testRun("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir]);
  try {
    const { store, things } = open(`${dir}/state`);
    store.change(() => things.set("1", { id: "1", name: "a" }));
    assert.throws(
      () => store.change(() => things.set("2", { id: "2", name: "x".repeat(100_000) })),
      /[Nn]o space/,
    );
    assert.equal(names(things), "a");
    store.change(() => things.set("3", { id: "3", name: "c" }));
    store.close();
    const second = open(`${dir}/state`);
    assert.equal(names(second.things), "a,c");
    second.store.close();
  } finally {
    await testRun("umount", [dir]);
    await Deno.remove(dir);
  }
});
