// The wasm kernels in V8, driven by src/aivm/testing/foreign.py over stdin and stdout.
//
//   node guest.mjs aivm.wasm
//
// All numbers are 64-bit, little-endian. First it writes the constants of the kernels. Then it obeys:
//   1 SIZE                              reserve a block; answers its address
//   2 STATE TAPE END SCRATCH BYTES...   take the block's bytes, run; answers status and the block
import { readFileSync, readSync, writeSync } from "node:fs";

const CONSTANTS = [
  "aivm_panel_columns", "aivm_matmul_scratch_bytes", "aivm_bytes_group", "aivm_bytes_scratch_rows",
  "aivm_canary",
];
const PAGE = 65536;

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const { memory, aivm_run: run, ...rest } = instance.exports;
let start = 0, size = 0;

function read(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(0, bytes, at, bytes.length - at, null);
    if (count === 0) process.exit(0);
    at += count;
  }
}

function write(bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at, bytes.length - at);
}

function number() {
  const bytes = Buffer.alloc(8);
  read(bytes);
  return Number(bytes.readBigInt64LE());
}

function say(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  write(bytes);
}

const block = () => new Uint8Array(memory.buffer, start, size);

for (const name of CONSTANTS) say(rest[name]());
for (;;) {
  if (number() === 1) {
    size = number();
    start = memory.buffer.byteLength;
    memory.grow(Math.ceil(size / PAGE) || 1);
    say(start);
    continue;
  }
  const [state, tape, end, scratch] = [number(), number(), number(), number()];
  read(block());
  say(run(state, tape, end, scratch, 0, 1));
  write(block());
}
