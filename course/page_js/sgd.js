// SGD with momentum: each number keeps 0.9 of its speed, and its slope is added; then it moves against its speed.

const MOMENTUM = 0.9;

export function descend(learnt, rate) {
  for (const { value, grad, speed } of learnt)
    for (let i = 0; i < value.length; i++) {
      speed[i] = MOMENTUM * speed[i] + grad[i];
      value[i] -= rate * speed[i];
    }
}
