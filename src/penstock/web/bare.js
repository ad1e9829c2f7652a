// A bare GRU: rows of numbers in, the top layer's states out. As penstock.runtime.states_model, read forwards.

import { State, stateKind } from "./state.js";

export function bareModel(network, { config, digest }) {
  const { input_size: D } = config;
  const kind = stateKind(digest, config, network.Numbers);
  return {
    kind: "states",
    config,
    state: (saved) => (saved === undefined ? new State(kind) : State.restored(kind, saved)),
    // Reads x (D,) into the state, and gives the top layer's, (H,), which the next call overwrites.
    step(x, state, how) {
      if (x.length !== D) throw new RangeError(`x: expected (D=${D},), got (${x.length},)`);
      state.expect(kind);
      return network.read(network.enter(x, how?.form), state.layers, how);
    },
  };
}
