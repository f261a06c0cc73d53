// How wrong the answers are: softmax turns them into shares, the loss is -log of the right one's, averaged over the batch.

/** logits: classes of each image, `lanes` apart; labels: n of them. -> {loss, right, grad}, grad written where `grad` is. */
export function crossEntropy(logits, labels, n, classes, lanes, grad) {
  let loss = 0, right = 0;
  for (let i = 0; i < n; i++) {
    const at = i * lanes;
    let top = -Infinity, best = -1, sum = 0;
    for (let k = 0; k < classes; k++) if (logits[at + k] > top) top = logits[at + k], best = k;
    for (let k = 0; k < classes; k++) sum += Math.exp(logits[at + k] - top);
    // by each answer: its share less 1 if it is the right one, over the number of images
    for (let k = 0; k < classes; k++) grad[at + k] = (Math.exp(logits[at + k] - top) / sum - (k === labels[i])) / n;
    loss += Math.log(sum) + top - logits[at + labels[i]];
    right += best === labels[i];
  }
  return { loss: loss / n, right };
}
