// The worker that trains beside a page: it is told what to do, and tells with numbers how it goes.

import { WORDS } from "./tasks.js";
import { training } from "./training.js";

const TURN = 60; // milliseconds of training between two reports

// Messages in: { begin: settings of ``training`` } first, then { run: true or false }, { steps: how many more }, { read: seed of
// the sequence to show }. Out: { naive, words } first; then what each step since the last report returned, the steps a second,
// 0 where it does not run, and how the sequence is read now.
export function trainIn(worker) {
  let trained = null;
  let running = false;
  let sequence = 0;
  let timer = null;

  function report(results, seconds) {
    const of = (name) => Float64Array.from(results, (result) => result[name]);
    const rate = seconds && results.length / seconds;
    worker.postMessage({ loss: of("loss"), answer: of("answer"), right: of("right"), rate, read: trained.read(sequence) });
  }

  function turn() {
    const began = performance.now();
    const results = [];
    do results.push(trained.step());
    while (performance.now() - began < TURN);
    report(results, (performance.now() - began) / 1000);
    timer = setTimeout(turn, 0); // what has come in is heard first
  }

  worker.onmessage = ({ data }) => {
    if (data.begin) {
      trained = training(data.begin);
      worker.postMessage({ naive: trained.naive, words: WORDS });
    }
    sequence = data.read ?? sequence;
    running = data.run ?? running;
    clearTimeout(timer);
    if (running) turn();
    else report(Array.from({ length: data.steps ?? 0 }, () => trained.step()), 0);
  };
}
