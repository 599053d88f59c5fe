// onnxruntime-web as a contestant: a child that stays, and answers each line with one timed run.
//
//   node ort_web.mjs MODULE MODEL FEEDS     FEEDS: JSON {name: {type, dims, data}}
//
// Prints {"ready": true, "result": [...]} once, then {"ms": number} for every line it reads. The
// time is taken here, so that the pipe does not count.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modulePath, modelPath, feedsPath] = process.argv.slice(2);
const ort = await import(pathToFileURL(modulePath).href);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(await readFile(modelPath), {
  executionProviders: ["wasm"],
});
const arrays = { int64: (data) => BigInt64Array.from(data, BigInt), uint8: Uint8Array.from.bind(Uint8Array) };
const feeds = {};
for (const [name, tensor] of Object.entries(JSON.parse(await readFile(feedsPath, "utf8")))) {
  feeds[name] = new ort.Tensor(tensor.type, arrays[tensor.type](tensor.data), tensor.dims);
}
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const first = Object.values(await session.run(feeds))[0];
say({ ready: true, result: Array.from(first.data) });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "") break;
  const start = performance.now();
  await session.run(feeds);
  say({ ms: performance.now() - start });
}
