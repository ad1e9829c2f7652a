// One step of a bare GRU in Node, on one thread: Penstock's web export beside ONNX Runtime Web, which compute the same.
//
//   node edge_web.js FOLDER [SECONDS]
//
// FOLDER has penstock.js and model.bin, as `penstock export --to web` writes them; problem.json, { x: (D,), state: (H,) };
// and gru.onnx: x (1, 1, D) and h_0 (1, 1, H) in, h_n (1, 1, H) out. The npm package onnxruntime-web is looked for from the
// folder that this is started in; without it Penstock runs alone. Prints JSON: of each the state after CHECKED steps, and
// the microseconds of a step, the median of blocks in which they take turns.

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const CHECKED = 10;
const BLOCK = 0.02; // seconds

async function ours(folder, { x, state: begun }) {
  const penstock = require(path.resolve(folder, "penstock.js"));
  const model = await penstock.load(fs.readFileSync(path.join(folder, "model.bin")));
  const row = Float32Array.from(x);
  const state = model.state();
  state.hidden.set(begun);
  return {
    advance(count) {
      for (let k = 0; k < count; k++) model.step(row, state);
    },
    state: () => Array.from(state.hidden),
  };
}

async function onnxRuntime(folder, { x, state: begun }) {
  let ort;
  try {
    ort = createRequire(path.join(process.cwd(), "x.js"))("onnxruntime-web");
  } catch {
    return null;
  }
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(fs.readFileSync(path.join(folder, "gru.onnx")), {
    executionProviders: ["wasm"],
  });
  const row = new ort.Tensor("float32", Float32Array.from(x), [1, 1, x.length]);
  let h = new ort.Tensor("float32", Float32Array.from(begun), [1, 1, begun.length]);
  return {
    async advance(count) {
      for (let k = 0; k < count; k++) h = (await session.run({ x: row, h_0: h })).h_n;
    },
    state: () => Array.from(h.data),
  };
}

async function main([folder, seconds = "3"]) {
  const problem = JSON.parse(fs.readFileSync(path.join(folder, "problem.json"), "utf-8"));
  const all = { penstock: await ours(folder, problem), onnxruntime: await onnxRuntime(folder, problem) };
  const found = {};
  for (const [name, taker] of Object.entries(all)) {
    if (!taker) continue;
    await taker.advance(CHECKED);
    found[name] = { state: taker.state(), taker, count: 16, times: [] };
  }
  const until = performance.now() + 1000 * Number(seconds) * Object.keys(found).length;
  while (performance.now() < until || Object.values(found).some(({ times }) => times.length < 3)) {
    for (const one of Object.values(found)) {
      const began = performance.now();
      await one.taker.advance(one.count);
      const took = (performance.now() - began) / 1000;
      if (took >= BLOCK / 2) one.times.push(took / one.count);
      one.count = Math.ceil((one.count * BLOCK) / Math.max(took, BLOCK / 4));
    }
  }
  const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  const said = ([name, { state, times }]) => [name, { state, microseconds: 1e6 * median(times) }];
  console.log(JSON.stringify(Object.fromEntries(Object.entries(found).map(said))));
}

main(process.argv.slice(2));
