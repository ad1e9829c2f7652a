// A trained model, from the one file that penstock.web.model_file writes.
//
//   const model = await load(buffer)                  an ArrayBuffer of the file
//   const state = model.state()                       of a text's beginning
//   const logProbabilities = model.step(token, state) reads a token, moves the state on
//   for (const text of model.generate("The ", { length: 100, temperature: 0.8 })) …

import { bareModel } from "./bare.js";
import { newEngine } from "./engine.js";
import { open } from "./file.js";
import { fixedNetwork } from "./fixed.js";
import { floatNetwork } from "./float.js";
import { languageModel } from "./language.js";
import { seriesModel } from "./series.js";
import { textModel } from "./texts.js";

const NETWORKS = { float32: floatNetwork, w8a16: fixedNetwork };
const KINDS = { language: languageModel, series: seriesModel, text: textModel, states: bareModel };

export async function load(file) {
  const { about, tensors } = open(file);
  const network = NETWORKS[about.numbers](await newEngine(about.numbers), about.config, tensors);
  return KINDS[about.kind](network, about, tensors);
}
