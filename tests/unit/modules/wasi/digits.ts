// A wasi-nn program in AssemblyScript 0.28.20: asc digits.ts -o digits.wasm -O --runtime stub --use abort=
// It gives the model one picture, 64 floats of standard input, and writes what comes out.
@external("wasi_ephemeral_nn", "load_by_name")
declare function loadByName(name: usize, size: usize, graph: usize): i32;
@external("wasi_ephemeral_nn", "init_execution_context")
declare function initContext(graph: i32, context: usize): i32;
@external("wasi_ephemeral_nn", "set_input")
declare function setInput(context: i32, index: i32, tensor: usize): i32;
@external("wasi_ephemeral_nn", "compute")
declare function compute(context: i32): i32;
@external("wasi_ephemeral_nn", "get_output")
declare function getOutput(context: i32, index: i32, buffer: usize, room: i32, written: usize): i32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fdWrite(fd: i32, vectors: usize, count: i32, written: usize): i32;
@external("wasi_snapshot_preview1", "fd_read")
declare function fdRead(fd: i32, vectors: usize, count: i32, read: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function procExit(status: i32): void;

const scratch = memory.data(512);

function demand(error: i32): void {
  if (error) procExit(error);
}

export function _start(): void {
  const name = String.UTF8.encode("1x1x8x8");
  const dims = memory.data<u32>([1, 1, 8, 8]);
  const pixels = memory.data(256);
  const scores = memory.data(40);
  store<u32>(scratch, pixels as u32);
  store<u32>(scratch, 256, 4);
  demand(fdRead(0, scratch, 1, scratch + 8));
  demand(loadByName(changetype<usize>(name), name.byteLength, scratch + 16));
  demand(initContext(load<i32>(scratch + 16), scratch + 20));
  const context = load<i32>(scratch + 20);
  const tensor = scratch + 32;
  store<u32>(tensor, dims as u32);
  store<u32>(tensor, 4, 4);
  store<u8>(tensor, 1, 8);
  store<u32>(tensor, pixels as u32, 12);
  store<u32>(tensor, 256, 16);
  demand(setInput(context, 0, tensor));
  demand(compute(context));
  demand(getOutput(context, 0, scores, 40, scratch + 64));
  store<u32>(scratch, scores as u32);
  store<u32>(scratch, load<u32>(scratch + 64), 4);
  demand(fdWrite(1, scratch, 1, scratch + 8));
}
