// The engine, C as WebAssembly, over a memory that holds a model's weights and room to compute with. There is one of float32
// and one of w8a16; ``ENGINE``, which penstock.web.script puts before this, is { numbers, wasm }: which, and its base64.

import { fromBase64 } from "./file.js";

const PAGE = 65536; // bytes that a memory grows by
export const ROWS = 16; // of a block of weights

let compiled = null;

export async function newEngine(numbers) {
  if (numbers !== ENGINE.numbers) throw new RangeError(`expected a model in ${ENGINE.numbers}, got one in ${numbers}`);
  try {
    compiled ??= await WebAssembly.compile(fromBase64(ENGINE.wasm));
  } catch (error) {
    throw new Error(`the engine needs WebAssembly with SIMD, as browsers have had it since 2023: ${error.message}`);
  }
  const { exports } = await WebAssembly.instantiate(compiled, {});
  const { memory } = exports;
  let end = exports.__heap_base.value;

  // Room for so many numbers, and a view of the first ``count``, which stays right though the memory grows.
  function room(count, { space = count, Numbers = Float32Array } = {}) {
    const at = Math.ceil(end / 16) * 16;
    end = at + space * Numbers.BYTES_PER_ELEMENT;
    const lack = end - memory.buffer.byteLength;
    if (lack > 0) memory.grow(Math.ceil(lack / PAGE));
    let view = null;
    return {
      at,
      get view() {
        if (view?.buffer !== memory.buffer) view = new Numbers(memory.buffer, at, count);
        return view;
      },
    };
  }

  // Numbers as they are.
  function copy(values) {
    const made = room(values.length, { Numbers: values.constructor });
    made.view.set(values);
    return made;
  }
  return { ...exports, room, copy };
}

// W: so many rows in whole blocks.
export function wide(rows) {
  return Math.ceil(rows / ROWS) * ROWS;
}
