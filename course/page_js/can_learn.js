// Which networks can learn in the page.

const isOne = (pair) => pair[0] === 1 && pair[1] === 1;

/** Of these layers, as export.py describes them: convolutions of stride 1, largest and mean, BatchNorm and ReLU. */
export function canLearn(layers) {
  const known = ({ kind, stride, dilation, groups, kernel, pad }) => kind === "max" || kind === "mean"
    || (kind === "conv" && isOne(stride) && isOne(dilation) && groups === 1 && kernel[0] === kernel[1] && pad[0] === pad[1]
      && pad[0] < kernel[0]);
  return layers[0].kind === "conv" && layers.at(-1).kind === "conv" && layers.every(known);
}
