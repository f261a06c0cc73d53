// What runs beside the page, so that the page stays quick: the training, in a second worker the one who tests
// it, in a third the one who reads a photo.

import { readFile } from "./photo/reader.js";
import { Trainee } from "./trainee.js";
import { Training } from "./training.js";

const NEWS = 200; // milliseconds between two sets of weights for the page
const JUDGED = 50; // test digits at a time

let training = null, going = false, judge = null, sent = 0, losses = [];

function tell() {
  sent = performance.now();
  postMessage({ step: training.step, losses, numbers: training.net.write() });
  losses = [];
}

function work() {
  if (!going) return;
  losses.push(training.advance());
  const over = training.step >= training.settings.steps || !Number.isFinite(losses.at(-1));
  if (over) going = false;
  if (over || performance.now() - sent > NEWS) tell();
  again.port2.postMessage(null); // after the messages that wait
}
const again = new MessageChannel();
again.port1.onmessage = work;

const orders = {
  start: ({ network, images, labels, settings }) => ((training = new Training(network, images, labels, settings)), (going = true), tell(), work()),
  pause: () => ((going = false), training && tell()),
  go: () => ((going = true), work()),
  picture: async ({ file }) => postMessage(await readFile(file)),
  test: ({ network, images, labels }) => (judge = { net: new Trainee(network, JUDGED), images: Float32Array.from(images, (v) => v / 255), labels }),
  read: ({ step, numbers }) => {
    const { net, images, labels } = judge;
    net.read(numbers);
    let loss = 0, right = 0;
    for (let i = 0; i < labels.length; i += JUDGED) {
      const some = labels.subarray(i, i + JUDGED), told = net.judge(images.subarray(i * 784), some, some.length);
      loss += told.loss * some.length, right += told.right;
    }
    postMessage({ step, numbers, loss: loss / labels.length, accuracy: right / labels.length });
  },
};
onmessage = ({ data: { order, ...rest } }) => orders[order](rest);
