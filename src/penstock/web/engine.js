// The engine: engine.wasm, made of penstock/engine (C), over a memory that holds a model's weights and room to compute with.
// ``ENGINE`` is its base64, which penstock.web.script puts before this. Letters are those of engine.c.

import { fromBase64 } from "./file.js";

const PAGE = 65536; // bytes that a memory grows by
const ROWS = 16; // of a block of weights

let compiled = null;

export async function newEngine() {
  try {
    compiled ??= await WebAssembly.compile(fromBase64(ENGINE));
  } catch (error) {
    throw new Error(`the engine needs WebAssembly with SIMD, as browsers have had it since 2023: ${error.message}`);
  }
  const { exports } = await WebAssembly.instantiate(compiled, {});
  const { memory } = exports;
  let end = exports.__heap_base.value;

  // Room for so many numbers, and a view of the first ``count``, which stays right though the memory grows.
  function room(count, space = count) {
    const at = Math.ceil(end / 16) * 16;
    end = at + space * Float32Array.BYTES_PER_ELEMENT;
    const lack = end - memory.buffer.byteLength;
    if (lack > 0) memory.grow(Math.ceil(lack / PAGE));
    let view = null;
    return {
      at,
      get view() {
        if (view?.buffer !== memory.buffer) view = new Float32Array(memory.buffer, at, count);
        return view;
      },
    };
  }

  // Parts one below the other, each (rows,), as (W,): with zeros up to whole blocks.
  function vector(values, rows) {
    const made = room((values.length / rows) * wide(rows));
    for (let part = 0; part * rows < values.length; part++) {
      made.view.set(values.subarray(part * rows, (part + 1) * rows), part * wide(rows));
    }
    return made;
  }

  // Parts one below the other, each (rows, columns), as blocks (W/16, columns, 16).
  function matrix(values, rows, columns) {
    const parts = values.length / (rows * columns);
    const made = room(parts * wide(rows) * columns);
    const blocks = made.view;
    let from = 0;
    for (let part = 0; part < parts; part++) {
      for (let row = 0; row < rows; row++) {
        const place = part * wide(rows) + row;
        let to = (place - (place % ROWS)) * columns + (place % ROWS);
        for (let k = 0; k < columns; k++, to += ROWS) blocks[to] = values[from++];
      }
    }
    return made;
  }
  return { ...exports, room, vector, matrix };
}

// W: so many rows in whole blocks.
export function wide(rows) {
  return Math.ceil(rows / ROWS) * ROWS;
}
