/** Runs a trained GRU that `penstock export --to web` wrote, by WebAssembly: in browsers and in Node, without a build tool. */
export as namespace penstock;

/** The model of a file, model.bin: its bytes, or its base64. Rejects what is no whole file, or where there is no SIMD. */
export function load(file: ArrayBuffer | Uint8Array | string): Promise<Model>;

/** Tell them apart by `kind`. */
export type Model = LanguageModel | SeriesModel | TextModel | BareModel;

/** Where a text or a series stands between two steps: a value. Letters: K layers, H hidden units. */
export interface State {
  /** (K, H), row by row; of a model in w8a16 whole numbers, times 2⁻¹⁵. */
  readonly hidden: Float32Array | Int16Array;
  /** Of each layer its part of `hidden`, (H,). */
  readonly layers: ReadonlyArray<Float32Array | Int16Array>;
  /** Another that goes its own way. */
  copy(): State;
  /** All that it is, with the model's digest. `model.state(bytes)` restores it; another model refuses it. */
  toBytes(): Uint8Array;
  /** The same in base64, so that JSON.stringify takes a state. */
  toJSON(): string;
}

export interface Config {
  readonly input_size: number;
  readonly hidden_size: number;
  readonly num_layers: number;
  /** The form of the reset gate. */
  readonly reset: "before" | "after";
  readonly residual: boolean;
}

/** Gates of a layer, (H,) each. */
export interface Gates {
  reset: Float32Array;
  update: Float32Array;
  candidate: Float32Array;
}

/** Only of models in float32. */
export interface Step {
  /** A layer: what takes the place of what the units would have decided; NaN leaves it to them. */
  held?: ReadonlyArray<Partial<Record<keyof Gates, ArrayLike<number>>> | undefined>;
  /** Another form of the reset gate, which is another function. */
  form?: "before" | "after";
  /** Called with each layer's gates and new state, which the next layer overwrites. */
  seen?(layer: number, gates: Gates, hidden: Float32Array): void;
}

export interface Sampling extends Step {
  /** Tokens to write; 500 if left out. */
  length?: number;
  /** Below 1 is safer, above 1 bolder; 0 always takes the likeliest token. 1 if left out. */
  temperature?: number;
  /** Draw from so many likeliest tokens only. */
  topK?: number;
  /** Draw from the fewest tokens that together have this probability. */
  topP?: number;
  /** The same seed writes the same text; without one, another each time. */
  seed?: number;
  /** Where to go on from; it moves on. The beginning of a text if left out. */
  state?: State;
}

export interface Vocabulary {
  readonly size: number;
  /** Ids of a text, and the text that stood for each. */
  encode(text: string): { ids: number[]; tokens: string[] };
  /** UTF-8 of a token. */
  bytes(id: number): Uint8Array;
  /** A token as text. */
  label(id: number): string;
}

export interface LanguageModel {
  readonly kind: "language";
  readonly config: Config & { readonly vocabulary_size: number };
  readonly numbers: "float32" | "w8a16";
  readonly vocabulary: Vocabulary;
  /** Of a text's beginning, or restored from what `toBytes` or `toJSON` gave. */
  state(saved?: Uint8Array | string): State;
  /** Reads a token into the state, which moves on. log p of each token that may follow, (V,); the next call overwrites it. */
  step(token: number, state: State, how?: Step): Float64Array;
  /** Writes on after a text, piece by piece; an empty one stands for the start of a line. */
  generate(prompt: string, how?: Sampling): Generator<string, void>;
}

/** Probabilities by the names of classes or labels, or numbers by the names of columns, in their own size. */
export type Answer = Record<string, number>;

export interface About {
  readonly kind: "class" | "labels" | "numbers";
  readonly targets: readonly string[];
  readonly classes: readonly string[];
  /** Whether the answer at a step is about the step after it. */
  readonly next: boolean;
}

/** By the order of `columns`, or by their names: numbers, categories as text; null, "" or NaN where missing. */
export type Row = ReadonlyArray<number | string | null> | Float32Array | Float64Array | Record<string, number | string | null>;

export interface SeriesModel {
  readonly kind: "series";
  readonly config: Config & { readonly segment: number };
  readonly columns: readonly string[];
  readonly answer: About;
  /** The column of times, where training had one; `dated`: times are Dates or milliseconds since 1970, UTC. */
  readonly time: { readonly name: string | null; readonly dated: boolean };
  /** Of a series' beginning, or restored from what `toBytes` or `toJSON` gave. */
  state(saved?: Uint8Array | string): State;
  /** Reads a row into the state, which moves on; the answer so far. `time` where training had times. */
  step(row: Row, state: State, time?: number | Date): Answer;
  /** Answers a series: at each of its rows, or, where `config.segment` is not 0, as a whole. */
  predict(rows: readonly Row[], times?: ReadonlyArray<number | Date>): Answer | Answer[];
}

export interface TextModel {
  readonly kind: "text";
  readonly config: Config;
  readonly vocabulary: Vocabulary;
  readonly answer: About;
  /** Of a text's beginning, or restored from what `toBytes` or `toJSON` gave. */
  state(saved?: Uint8Array | string): State;
  /** Reads a token into the state, which moves on; the answer so far. */
  step(token: number, state: State): Answer;
  /** Answers a text. */
  predict(text: string): Answer;
}

/** A GRU without an output layer. Letters: D input features, H hidden units. */
export interface BareModel {
  readonly kind: "states";
  readonly config: Config;
  /** Of a sequence's beginning, or restored from what `toBytes` or `toJSON` gave. */
  state(saved?: Uint8Array | string): State;
  /** Reads x (D,) into the state, which moves on; what the top layer gives, (H,), which the next call overwrites. */
  step(x: ArrayLike<number>, state: State, how?: Step): Float32Array;
}
